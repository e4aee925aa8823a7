"""Deliveries: each message that a webhook wants, pushed until it has arrived, and the log of that."""
