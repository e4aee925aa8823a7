"""Interests: what people and groups care about, and how many share it."""
