"""The folder of a training run: paths, records, checkpoints."""
