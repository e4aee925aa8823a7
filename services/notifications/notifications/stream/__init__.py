"""What people hear live: the inbox as it grows, to whoever keeps a stream open, and the tickets that open one."""
