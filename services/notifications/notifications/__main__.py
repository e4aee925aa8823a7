"""Runs the service: `python -m notifications`."""

from chassis.process import main  # patches the standard library first

main("notifications.service:Notifications")
