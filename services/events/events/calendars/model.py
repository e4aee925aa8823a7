"""The rules of calendars: how an event is written in iCalendar (RFC 5545), and what its time zone does around it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Timezone, TimezoneDaylight, TimezoneStandard, vText
from icalendar import Event as VEvent

from events.events.model import GOING, MAYBE, WAITLISTED, Event
from events.rsvps.model import Rsvp

PRODUCT = "-//Common Ground//events//EN"
DOMAIN = "commonground"
REFRESHED = timedelta(hours=1)
"""How often calendars should ask again (RFC 7986, section 5.7)."""

PAST = timedelta(days=90)
"""How long events that are over stay in a calendar."""
MOST = 500
"""How many events a calendar has at most, the earliest first."""


# -- private addresses


def new_secret() -> str:
    """What makes an address that nobody can guess: 256 bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: whoever reads the database cannot read calendars."""
    return sha256(secret.encode()).hexdigest()


# -- a calendar


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in a calendar, with the answer of the person whose calendar it is, and whether they get the join link."""

    event: Event
    rsvp: Rsvp | None = None
    inside: bool = False

    @classmethod
    def of(cls, event: Event, person: str | None = None, rsvp: Rsvp | None = None) -> Entry:
        """The entry for somebody's calendar. The join link is for those going, and hosts."""
        going = rsvp is not None and rsvp.status == GOING
        return cls(event, rsvp, going or (person is not None and event.hosted_by(person)))

    @property
    def changed_at(self) -> datetime:
        """When the entry was written as it is."""
        changed = self.event.changed_at or self.event.created_at
        return _utc(changed if self.rsvp is None else max(changed, self.rsvp.answered_at))


def write(name: str, entries: Sequence[Entry]) -> bytes:
    """An iCalendar stream (RFC 5545) of these entries, with every time zone that they need."""
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", _Text(name))
    calendar.add("x-wr-calname", _Text(name))
    calendar.add("refresh-interval", REFRESHED, parameters={"VALUE": "DURATION"})
    for zone, years in sorted(_zones(entries).items()):
        calendar.add_component(_time_zone(zone, years))
    for entry in entries:
        calendar.add_component(_entry(entry))
    written: bytes = calendar.to_ical(sorted=False)
    return written


def last_changed(entries: Iterable[Entry]) -> datetime | None:
    """When the last of these entries was written (UTC, to the second); None of none."""
    return max((entry.changed_at for entry in entries), default=None)


def _entry(entry: Entry) -> Component:
    event, zone = entry.event, ZoneInfo(entry.event.time_zone)
    one = VEvent()
    one.add("uid", f"{event.id}@{DOMAIN}")
    # Without a METHOD it is the time of the last revision (RFC 5545, section 3.8.7.2).
    one.add("dtstamp", entry.changed_at)
    one.add("last-modified", entry.changed_at)
    one.add("created", _utc(event.created_at))
    one.add("sequence", event.revision)
    one.add("status", _status(entry))
    one.add("summary", _Text(event.title))
    for name, moment in (("dtstart", event.starts_at), ("dtend", event.ends_at)):
        one.add(name, _utc(moment) if event.time_zone == "UTC" else moment.astimezone(zone))
    if event.description:
        one.add("description", _Text(event.description))
    if place := _place(event):
        one.add("location", _Text(place))
    if location := (event.venue or {}).get("location"):
        one.add("geo", (location["lat"], location["lon"]))
    if entry.inside and event.join_url:
        # RFC 7986, section 5.11
        one.add("conference", event.join_url, parameters={"VALUE": "URI", "FEATURE": "VIDEO"})
    return one


class _Text(vText):
    r"""A text as somebody wrote it. icalendar takes the two characters `\N` for the end of a line, also in `C:\New`."""

    def to_ical(self) -> bytes:
        """Escape it (RFC 5545, section 3.3.11)."""
        text = str(self).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
        return text.replace("\n", "\\n").encode()


def _utc(moment: datetime) -> datetime:
    """A moment, to the second; what comes from the database has a UTC of its own."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _status(entry: Entry) -> str:
    if entry.event.cancelled:
        return "CANCELLED"
    unsure = entry.rsvp is not None and entry.rsvp.status in (WAITLISTED, MAYBE)
    return "TENTATIVE" if unsure else "CONFIRMED"


def _place(event: Event) -> str:
    venue = event.venue or {}
    return ", ".join(part for part in (venue.get("name"), venue.get("address")) if part)


# -- time zones


@dataclass(frozen=True, slots=True)
class Onset:
    """From when on a zone has another offset: `local` by the offset before, as RFC 5545, section 3.6.5 wants it."""

    local: datetime
    before: timedelta
    after: timedelta
    name: str
    summer: bool


LAST = datetime(9999, 12, 30, tzinfo=UTC)
"""Until when zones are followed: a day later there are no dates any more."""


@lru_cache(maxsize=2_000)
def onsets(name: str, year: int) -> tuple[Onset, ...]:
    """What a time zone does in a year: the offset that it begins with, and each change."""
    zone = ZoneInfo(name)
    day = timedelta(days=1)
    begin = datetime(year, 1, 1, tzinfo=UTC) - day
    end = LAST if year == LAST.year else datetime(year + 1, 1, 1, tzinfo=UTC) + day
    found = [_onset(zone, begin, begin)]
    while begin < end:
        if _offset(zone, begin) != _offset(zone, begin + day):
            found.append(_onset(zone, *_change(zone, begin, begin + day)))
        begin += day
    return tuple(found)


def _change(zone: ZoneInfo, early: datetime, late: datetime) -> tuple[datetime, datetime]:
    """The last second before and the first second after a change between two moments."""
    second = timedelta(seconds=1)
    while late - early > second:
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if _offset(zone, middle) == _offset(zone, early):
            early = middle
        else:
            late = middle
    return early, late


def _onset(zone: ZoneInfo, before: datetime, at: datetime) -> Onset:
    then, now = _offset(zone, before), _offset(zone, at)
    local = at.astimezone(zone)
    return Onset((at + then).replace(tzinfo=None), then, now, local.tzname() or "", bool(local.dst()))


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _zones(entries: Iterable[Entry]) -> dict[str, list[int]]:
    """The zones that entries name, and the years in which they do."""
    years: dict[str, set[int]] = {}
    for entry in entries:
        event = entry.event
        if event.time_zone != "UTC":
            years.setdefault(event.time_zone, set()).update({event.starts_at_local.year, event.ends_at_local.year})
    return {zone: sorted(found) for zone, found in years.items()}


def _time_zone(name: str, years: Iterable[int]) -> Component:
    zone = Timezone()
    zone.add("tzid", name)
    for onset in (one for year in years for one in onsets(name, year)):
        part = TimezoneDaylight() if onset.summer else TimezoneStandard()
        part.add("dtstart", onset.local)
        part.add("tzoffsetfrom", onset.before)
        part.add("tzoffsetto", onset.after)
        part.add("tzname", onset.name)
        zone.add_component(part)
    return zone
