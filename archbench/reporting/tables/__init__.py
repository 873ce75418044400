"""The columns of each command's table."""
