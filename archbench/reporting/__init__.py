"""Records become what people look at: one file an output."""
