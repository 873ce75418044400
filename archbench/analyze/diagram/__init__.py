"""What a drawing of a model shows: a chain of volumes, or a tree of blocks."""
