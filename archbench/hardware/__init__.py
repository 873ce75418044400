"""What hardware can do: published ceilings, and those measured here."""
