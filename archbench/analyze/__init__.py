"""Trace in, table out; nothing here runs a model."""
