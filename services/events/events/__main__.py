"""Runs the service: `python -m events`."""

from chassis.process import main  # patches the standard library first

main("events.service:Events")
