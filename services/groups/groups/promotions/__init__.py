"""Promotions: an organizer's one-off call to people who share the group's interests and are not members."""
