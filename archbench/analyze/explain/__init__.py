"""Each figure of a layer, derived from its shapes."""
