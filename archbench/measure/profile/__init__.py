"""The time of each layer within a step."""
