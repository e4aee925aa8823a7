"""Where people get their mail: addresses, which count once a code that was mailed there came back."""
