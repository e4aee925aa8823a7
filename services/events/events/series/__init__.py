"""Series: events that repeat."""
