"""Tables and documents in one format a file."""
