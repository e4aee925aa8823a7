"""What the events service knows of people, from messages alone, and what it holds about each of them."""
