"""Asks for help inside a group, and the offers that answer them."""
