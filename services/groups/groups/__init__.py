"""The groups service: people, their interests, and the groups they gather in."""
