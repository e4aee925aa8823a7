"""Icebreakers: whom a person who is going would enjoy meeting there, and how to begin."""
