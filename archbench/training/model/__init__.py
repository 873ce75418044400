"""A model fitted to data: its first and last layer, its initialisation."""
