"""What people want to hear of, where, and when not: by kind, by group, and their quiet hours."""
