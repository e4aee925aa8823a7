"""`python -m groups` runs the service."""

from chassis.process import main

main("groups.service:Groups")
