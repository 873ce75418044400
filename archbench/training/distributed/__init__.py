"""One training in several processes, by torch.distributed."""
