"""Committed tables and the scripts that make them, and the scripts that keep the documentation true."""
