"""Run a model once without data and record every operator as a `Trace`."""
