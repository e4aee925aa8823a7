"""Watches: standing searches for groups that do not exist yet, and the groups that were founded for them."""
