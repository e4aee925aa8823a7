"""Webhooks: addresses of other systems to which a person has messages pushed."""
