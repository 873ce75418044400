"""The demonstration models: tables on shared blocks, with a card each. Needs torch only."""
