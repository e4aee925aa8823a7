"""What is heard: one notice for each thing that happened, whoever and however many hear of it."""
