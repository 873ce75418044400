"""Copy a model and its inputs for one run, so that nothing is written to the user's objects."""
