"""Predicted time of a trace on a device, and what bounds it."""
