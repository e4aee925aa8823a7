"""The rules of calendars: how an event is written in iCalendar (RFC 5545), and what its time zone does around it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from types import MappingProxyType
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Timezone, TimezoneDaylight, TimezoneStandard, vRecur, vText
from icalendar import Event as VEvent

from events.events.model import GOING, MAYBE, WAITLISTED, Event
from events.rsvps.model import Rsvp
from events.series.model import Series, as_said

PRODUCT = "-//Common Ground//events//EN"
DOMAIN = "commonground"
REFRESHED = timedelta(hours=1)
"""How often calendars should ask again (RFC 7986, section 5.7)."""

PAST = timedelta(days=90)
"""How long events that are over stay in a calendar."""
YEARS_OF_RULES = 5
"""For how many years a calendar says what the zone of a series does: it will have been read again by then."""
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


def write(
    name: str, entries: Sequence[Entry], series: Mapping[str, Series] = MappingProxyType({}), *, whole: bool = False
) -> bytes:
    """An iCalendar stream (RFC 5545) of these entries, with every time zone that they need.

    An entry that is of one of these series is an instance of it: same UID, RECURRENCE-ID. If the entries are the `whole`
    of what there is to come of each series, it is written as a rule, and only what differs from it by itself.
    """
    rules = [rule for one in series.values() if whole and (rule := Repeated.of(one, entries))]
    regular = {event for rule in rules for event in rule.regular}
    apart = [entry for entry in entries if entry.event.id not in regular]
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", _Text(name))
    calendar.add("x-wr-calname", _Text(name))
    calendar.add("refresh-interval", REFRESHED, parameters={"VALUE": "DURATION"})
    for zone, years in sorted(_zones(entries, rules).items()):
        calendar.add_component(_time_zone(zone, years))
    for rule in rules:
        calendar.add_component(_rule(rule))
    for entry in apart:
        calendar.add_component(_entry(entry, series.get(entry.event.series or "")))
    written: bytes = calendar.to_ical(sorted=False)
    return written


def last_changed(entries: Iterable[Entry], series: Iterable[Series] = ()) -> datetime | None:
    """When the last of these was written (UTC, to the second); None of none."""
    changed = [entry.changed_at for entry in entries]
    return max([*changed, *(_utc(one.changed_at or one.created_at) for one in series)], default=None)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A series as a calendar writes it by its rule, from the first of its entries on."""

    series: Series
    first: Entry
    """The first of the entries, as the series says it."""
    regular: frozenset[str]
    """The events that are as the series says: nothing is written of them but the rule."""
    left_out: list[datetime]
    """Times of the rule at which nothing takes place."""

    @classmethod
    def of(cls, series: Series, entries: Sequence[Entry]) -> Repeated | None:
        """The series as a rule; None where nothing takes place at one of its times."""
        its = {one.event.occurrence: one for one in entries if one.event.series == series.id and one.event.occurrence}
        begin = min((time for time in its if time >= series.starts_at_local), default=None)
        if begin is None:
            return None
        number = its[begin].event.number
        # Whom it is told whether they go or not; if all entries have the join link, the rule has it.
        inside = all(entry.inside for entry in its.values())
        first = Entry(as_said(series, its[begin].event), inside=inside)
        made = [time for _, time in islice(series.times(begin, number), max(series.made - number, 0))]
        regular = {its[time].event.id for time in made if time in its and _as_the_rule(its[time], series, first)}
        left_out = [time for time in made if time not in its or its[time].event.cancelled]
        if series.ended and len(left_out) == len(made):
            return None
        return cls(series, first, frozenset(regular), left_out)


def _as_the_rule(entry: Entry, series: Series, first: Entry) -> bool:
    """Whether what a rule says of an entry, which begins as `first`, is all that there is to say of it."""
    event, said = entry.event, as_said(series, entry.event)
    # A reader moves the start by the rule and keeps the exact length (RFC 5545, section 3.8.5.3).
    lasts = first.event.ends_at - first.event.starts_at
    at_its_time = said.starts_at_local == event.occurrence and event.ends_at - event.starts_at == lasts
    return at_its_time and _shown(entry) == _shown(Entry(said, inside=first.inside))


def _shown(entry: Entry) -> tuple[object, ...]:
    event = entry.event
    times = (event.starts_at, event.time_zone, _status(entry))
    link = event.join_url if entry.inside else None
    return (*times, event.title, event.description, event.venue, link)


def _rule(repeated: Repeated) -> Component:
    series, first = repeated.series, repeated.first.event
    rule = series.rule
    if rule.count is not None:
        rule = replace(rule, count=rule.count - first.number)
    one = _entry(repeated.first)
    for name, value in (
        ("uid", f"{series.id}@{DOMAIN}"),
        ("dtstamp", _utc(series.changed_at or series.created_at)),
        ("last-modified", _utc(series.changed_at or series.created_at)),
        ("created", _utc(series.created_at)),
        ("sequence", series.revision),
    ):
        del one[name]
        one.add(name, value)
    one.add("rrule", vRecur.from_ical(rule.written(series.time_zone)))
    for time in repeated.left_out:
        one.add("exdate", _on_the_wall(time, series.time_zone))
    return one


def _on_the_wall(time: datetime, time_zone: str) -> datetime:
    return time.replace(tzinfo=UTC if time_zone == "UTC" else ZoneInfo(time_zone))


def _entry(entry: Entry, series: Series | None = None) -> Component:
    event, zone = entry.event, ZoneInfo(entry.event.time_zone)
    one = VEvent()
    one.add("uid", f"{series.id if series else event.id}@{DOMAIN}")
    if series and event.occurrence:
        one.add("recurrence-id", _on_the_wall(event.occurrence, series.time_zone))
    # Without a METHOD it is the time of the last revision (RFC 5545, section 3.8.7.2).
    one.add("dtstamp", entry.changed_at)
    one.add("last-modified", entry.changed_at)
    one.add("created", _utc(event.created_at))
    one.add("sequence", event.revision + (series.revision if series else 0))
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


def _zones(entries: Iterable[Entry], rules: Iterable[Repeated]) -> dict[str, list[int]]:
    """The zones that entries and rules name, and the years in which they do: of a rule some that are to come."""
    years: dict[str, set[int]] = {}
    for entry in entries:
        event = entry.event
        if event.time_zone != "UTC":
            years.setdefault(event.time_zone, set()).update({event.starts_at_local.year, event.ends_at_local.year})
    for rule in rules:
        zone, first = rule.series.time_zone, rule.first.event.starts_at_local.year
        if zone != "UTC":
            last = min(first + YEARS_OF_RULES, LAST.year)
            years.setdefault(zone, set()).update(range(first, last + 1))
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
