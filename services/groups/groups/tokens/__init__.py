"""API tokens: how another system acts for a person."""
