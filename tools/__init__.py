"""Scripts that check and build the documentation."""
