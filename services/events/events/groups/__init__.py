"""What the events service knows of groups and their members, from messages alone."""
