"""Suggestions: groups that somebody might like, and why."""
