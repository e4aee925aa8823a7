"""Who came to which event of which group, as the events service tells it."""
