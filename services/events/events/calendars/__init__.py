"""Events as iCalendar, for the calendars that people already use."""
