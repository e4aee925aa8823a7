"""Invitations: codes that let people into a group."""
