"""Search: finding the group that shares all one cares about, or learning that nobody has founded it yet."""
