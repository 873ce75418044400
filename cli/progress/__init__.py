"""How far a sweep or a training is, on standard error."""
