"""What one person reads: the notices of all their audiences, merged when they look."""
