"""How fast a trace can run on a device, and what limits it."""
