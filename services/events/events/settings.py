"""What operators can set for the events service."""

from __future__ import annotations

from chassis.settings import ServiceSettings, setting


class EventsSettings(ServiceSettings):
    """The usual settings; more calls at once than usual, since those that wait for one event are decided together."""

    calls_at_once: int = setting("int", "CG_CALLS_AT_ONCE", 200, help="How many calls one process works on at a time")
