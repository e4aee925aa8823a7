"""Members: who is in a group, in which role, and how they come and go."""
