"""Groups: people gathered around a set of interests."""
