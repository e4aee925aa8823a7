"""Sessions: how a person signs in, stays signed in and signs out."""
