"""Notifications: what a person should hear of, and whether they have read it."""
