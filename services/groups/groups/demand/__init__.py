"""Demand: how many people watch for a set of interests that no group serves yet."""
