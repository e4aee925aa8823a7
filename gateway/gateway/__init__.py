"""The HTTP door of Common Ground: it knows HTTP, tokens and routes, and nothing of what lies behind them."""
