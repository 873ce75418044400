"""Data sets as uint8 tensors: scikit-learn's digits, the official CIFAR-10, folders and archives of images."""
