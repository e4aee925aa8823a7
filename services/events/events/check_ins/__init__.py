"""Who came to an event: hosts write it down, once for each person."""
