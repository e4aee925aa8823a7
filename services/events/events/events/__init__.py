"""Events: scheduled, found, changed and cancelled."""
