"""Who hears of what: how each person stands to groups and events, as messages tell it."""
