"""Serving events as iCalendar: one event, those of a group, and those of a person at a private address."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, Call, endpoint
from chassis.problems import AuthenticationRequired, NotFound
from chassis.threads import in_thread
from events.calendars import model
from events.calendars.model import Entry
from events.calendars.schemas import CalendarAddress
from events.events.api import group_soon
from events.events.model import see
from events.events.store import Wanted
from events.groups.model import Group
from events.rsvps.api import find_soon, who_sees_it
from events.series.api import is_open

ICALENDAR = "text/calendar; charset=utf-8"
ENDING = ".ics"
UNCHANGED = {304: "Not changed since it had the ETag of If-None-Match"}


class CalendarsApi:
    """Events, in the calendars that people already use."""

    store: Any

    @endpoint("GET", "/v1/events/{event}/calendar.ics", access=ANYONE, media_type=ICALENDAR, answers=UNCHANGED)
    def event_calendar(self, call: Call, event: str) -> Answer:
        """Get an event as iCalendar (RFC 5545)."""
        found, membership = find_soon(self.store, call, event, who_sees_it)
        found = see(found, membership)
        return self._calendar(found.title, [found], call.person.id if call.person else None)

    @endpoint("GET", "/v1/groups/{group}/calendar.ics", access=ANYONE, media_type=ICALENDAR, answers=UNCHANGED)
    def group_calendar(self, call: Call, group: str) -> Answer:
        """Get the events of a group as iCalendar (RFC 5545): those that the caller may see, from 90 days ago on."""
        seen, membership = group_soon(self.store, call, group)
        wanted = Wanted(call.now - model.PAST, limit=model.MOST, group=seen.id)
        found = self.store.events.of_group(wanted, all_of_them=membership.active)[: model.MOST]
        person = call.person.id if call.person else None
        return self._calendar(seen.name, found, person, seen=seen, sees_all=membership.active)

    @endpoint("GET", "/v1/calendars/{file}", access=ANYONE, media_type=ICALENDAR, answers=UNCHANGED)
    def private_calendar(self, call: Call, file: str) -> Answer:
        """Get the events that a person answered or hosts, as iCalendar (RFC 5545), by its private address.

        The address is `/v1/calendars/{secret}.ics`, as `POST /v1/me/calendar` gave it.
        """
        owner = self.store.calendars.owner(model.digest(file.removesuffix(ENDING))) if file.endswith(ENDING) else None
        if owner is None:
            raise NotFound("There is no such calendar. Its address may have been renewed.")
        wanted = Wanted(call.now - model.PAST, limit=model.MOST)
        answered, groups = self.store.rsvps.may_come_to(owner), self.store.memberships.groups_of(owner)
        found = self.store.events.mine(owner, answered, wanted, groups)[: model.MOST]
        return self._calendar("Common Ground", found, owner)

    @endpoint("POST", "/v1/me/calendar", returns=CalendarAddress, status=201, access=SIGNED_IN, idempotent=True)
    def renew_calendar(self, call: Call) -> Answer:
        """Get a private address for my calendar; one that I had before leads nowhere from now on."""
        me, secret = call.caller.id, model.new_secret()
        with self.store.transaction(call) as tx:
            # Held, so that who erases themselves meanwhile leaves no address behind.
            if tx.people.hold(me) is None and tx.people.gone([me]):
                raise AuthenticationRequired("This person has left.")
            tx.calendars.renew(me, model.digest(secret), call.now)
        href = f"/v1/calendars/{secret}{ENDING}"
        return Answer({"href": href, "created_at": call.now}, location=href)

    def _calendar(
        self, name: str, events: Sequence[Any], person: str | None, seen: Group | None = None, sees_all: bool = False
    ) -> Answer:
        """The calendar of these events for a person; if they are all that the person sees of a group, series are rules."""
        rsvps = self.store.rsvps.of_person(person, [event.id for event in events]) if person else {}
        entries = [Entry.of(event, person, rsvps.get(event.id)) for event in events]
        series = self.store.series.of_ids(list({event.series for event in events if event.series}))
        if seen is not None and not sees_all:
            # Of a series that is not for them, they see single events that are.
            series = {id_: one for id_, one in series.items() if is_open(one, seen)}
        # A large one takes a while, in which others are served.
        content = in_thread(functools.partial(model.write, whole=seen is not None), name, entries, series)
        headers = {"ETag": f'"{sha256(content).hexdigest()[:32]}"'}
        if changed := model.last_changed(entries, series.values()):
            headers["Last-Modified"] = format_datetime(changed, usegmt=True)
        return Answer(raw=content, media_type=ICALENDAR, headers=headers)
