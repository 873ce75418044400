"""Derivations of each figure of a layer from its shapes."""
