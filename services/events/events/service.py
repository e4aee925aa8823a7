"""The events service at a glance: what it serves, what it listens to and what it keeps."""

from __future__ import annotations

from chassis.settings import Settings
from chassis.store import Store
from events.calendars.api import CalendarsApi
from events.calendars.store import Calendars
from events.check_ins.api import CheckInsApi
from events.check_ins.store import CheckIns
from events.events.api import EventsApi
from events.events.store import Events as EventsStore
from events.groups.api import GroupsApi
from events.groups.store import Groups, Memberships
from events.icebreakers.api import IcebreakersApi
from events.people.api import PeopleApi
from events.people.store import People
from events.reminders.api import RemindersApi
from events.rsvps.api import RsvpsApi
from events.rsvps.store import Rsvps
from events.series.api import SeriesApi
from events.series.store import AllSeries
from events.settings import EventsSettings


class Events(
    EventsApi, SeriesApi, RsvpsApi, CheckInsApi, IcebreakersApi, CalendarsApi, RemindersApi, GroupsApi, PeopleApi
):
    """Events, who comes to them, who waits for a seat, and who came."""

    name = "events"
    store = Store(
        groups=Groups,
        memberships=Memberships,
        people=People,
        events=EventsStore,
        series=AllSeries,
        rsvps=Rsvps,
        check_ins=CheckIns,
        calendars=Calendars,
    )
    settings = Settings(EventsSettings)
