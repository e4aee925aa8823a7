"""Moderation: what people report, and who did what in a group."""
