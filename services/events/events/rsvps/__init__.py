"""RSVPs: who comes to an event, and who gets the seat that somebody gave up."""
