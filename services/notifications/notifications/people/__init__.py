"""A person's rights: to have all that is held about them, and to be forgotten."""
