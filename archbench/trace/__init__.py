"""A model in, a Trace out."""
