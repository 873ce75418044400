"""From an address to a model that is built, and to the inputs it runs on."""
