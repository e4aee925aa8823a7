"""Watches: standing searches for groups that do not exist yet."""
