"""Intervals and tests that measuring and training share; numbers in, numbers out."""
