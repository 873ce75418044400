"""Train models briefly and alike, and say which of them learns better for its cost."""
