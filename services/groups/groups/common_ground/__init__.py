"""Common ground: what two people share, so that they have something to talk about."""
