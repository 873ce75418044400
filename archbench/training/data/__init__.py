"""Images to train on: from scikit-learn, the official CIFAR-10, a folder or an archive, all as uint8 tensors."""
