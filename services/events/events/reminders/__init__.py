"""Reminders: telling that an event is a day or an hour away, once each."""
