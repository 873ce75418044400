"""The database of measured results."""
