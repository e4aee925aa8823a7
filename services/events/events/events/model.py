"""The rules of events: when they take place, who may see and change them, and what a change is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from chassis.ids import new_id
from chassis.problems import Conflict, Invalid, NotAllowed, NotFound
from events.events.zones import rules_version
from events.groups.model import Group, GroupArchived, Membership
from events.reminders.model import due_at, upcoming

GOING, WAITLISTED, MAYBE, NOT_GOING = "going", "waitlisted", "maybe", "not_going"

CHANGEABLE = (
    "title",
    "description",
    "kind",
    "starts_at",
    "ends_at",
    "time_zone",
    "venue",
    "join_url",
    "capacity",
    "max_guests",
    "visibility",
    "hosts",
    "rsvp_closes_at",
)
"""What may be said when an event is scheduled, and changed later; also the names in `changed` of a message."""

LEFT_OUT: dict[str, Any] = {
    "description": "",
    "kind": "in_person",
    "venue": None,
    "join_url": None,
    "capacity": None,
    "max_guests": 0,
    "rsvp_closes_at": None,
}
"""What an event has where nothing was said, or where a change says null."""


MOST_SEATS = 11
"""What the largest party takes: a person and ten guests."""

UNSET = datetime(1970, 1, 1, tzinfo=UTC)
UNSET_LOCAL = UNSET.replace(tzinfo=None)


class AlreadyCancelled(Conflict):
    """409: the event was cancelled before."""

    slug, title = "already-cancelled", "This event is cancelled"


class EventOver(Conflict):
    """409: the event has ended."""

    slug, title = "event-over", "This event is over"


@dataclass(frozen=True, slots=True)
class Host:
    """A person who hosts an event."""

    id: str
    handle: str
    as_member: int = field(default=-1, compare=False)
    """The version of the group at which the person's membership was known when they were named."""


@dataclass(slots=True)
class Event:
    """A get-together of a group. Local times are the wall clock's in `time_zone`; all others are UTC."""

    id: str
    group_id: str
    group_slug: str
    group_name: str
    group_visibility: str
    group_archived: bool
    group_sequence: int
    interests: list[str]
    created_at: datetime
    created_by: str | None
    title: str = ""
    description: str = ""
    kind: str = "in_person"
    time_zone: str = "UTC"
    starts_at_local: datetime = UNSET_LOCAL
    ends_at_local: datetime = UNSET_LOCAL
    rsvp_closes_at_local: datetime | None = None
    """None also where the closing time was given as a moment."""
    starts_at: datetime = UNSET
    ends_at: datetime = UNSET
    rsvp_closes_at: datetime | None = None
    venue: dict[str, Any] | None = None
    join_url: str | None = None
    capacity: int | None = None
    max_guests: int = 0
    visibility: str = "group"
    hosts: list[Host] = field(default_factory=list)
    cancelled_at: datetime | None = None
    reason: str | None = None
    changed_at: datetime | None = None
    """When it was last changed or cancelled by somebody; answers do not count."""
    revision: int = 0
    """How often that was: the SEQUENCE of its calendar entry (RFC 5545, section 3.8.7.4)."""
    reminder: str | None = None
    """The next reminder that is to be told of it: PT24H, PT1H, or None."""
    version: int = 1
    seats_taken: int = 0
    waitlist_length: int = 0
    largest_waiting: int = MOST_SEATS
    """No party that waits takes more seats. Not exact when larger ones left: it only says where to look for them."""
    series: str | None = None
    """The id of the series that it is of."""
    occurrence: datetime | None = None
    """The time that the series gives it, on the wall clock: its RECURRENCE-ID (RFC 5545, section 3.8.4.4)."""
    number: int = 0
    """Which of the times of the series that is, from 0."""
    asked_from: int = 0
    """The version from which answers count; it was moved then, so who answered before is asked again."""
    rules: str = ""
    """The version of the time zone database by which its moments were worked out."""
    notes: list[str] = field(default_factory=list)
    """What the person who just gave its times should know. Not kept."""

    @property
    def cancelled(self) -> bool:
        """Whether it does not take place."""
        return self.cancelled_at is not None

    @property
    def due_at(self) -> datetime | None:
        """When its next reminder is due."""
        return due_at(self.starts_at, self.reminder)

    @property
    def open_to_all(self) -> bool:
        """Whether everybody may see it: the stricter of the event and its group decides."""
        return self.visibility == "public" and self.group_visibility != "private"

    @property
    def listed(self) -> bool:
        """Whether the open search shows it."""
        public = self.visibility == "public" and self.group_visibility == "public"
        return public and not self.group_archived and not self.cancelled

    @property
    def audience(self) -> str:
        """Who may know what messages tell of it."""
        return "public" if self.visibility == "public" and self.group_visibility == "public" else "group"

    @property
    def free_seats(self) -> int | None:
        """How many seats are left, at least 0; None when there is no limit."""
        return None if self.capacity is None else max(self.capacity - self.seats_taken, 0)

    def has_room(self, seats: int) -> bool:
        """Whether so many more seats can be taken."""
        return self.capacity is None or self.seats_taken + seats <= self.capacity

    def status(self, now: datetime) -> str:
        """`scheduled`, `cancelled` or `past`."""
        if self.cancelled:
            return "cancelled"
        return "past" if self.ends_at <= now else "scheduled"

    def hosted_by(self, person: str) -> bool:
        """Whether the person with this id hosts it."""
        return any(host.id == person for host in self.hosts)

    def next_version(self) -> int:
        """Count a change; returns the version that it makes."""
        self.version += 1
        return self.version

    def revise(self, now: datetime) -> None:
        """Count a change of what it is, as its calendar entry shows it."""
        self.revision, self.changed_at = self.revision + 1, now
        self.next_version()


# -- who may


def see(event: Event | None, membership: Membership) -> Event:
    """The event, if somebody with this membership in its group may know of it. Raises NotFound."""
    if event is None or not (event.open_to_all or membership.active):
        raise NotFound("There is no such event.")
    return event


def run(event: Event | None, membership: Membership, person: str) -> Event:
    """The event, if this person may change it: they run its group, or host it and are in the group.

    Raises NotFound, NotAllowed.
    """
    event = see(event, membership)
    if not (membership.leads or (membership.active and event.hosted_by(person))):
        raise NotAllowed("Only organizers and moderators of the group and the event's hosts do this.")
    return event


# -- what is done


def schedule(group: Group, by: str, wanted: dict[str, Any], hosts: Sequence[Host], now: datetime) -> Event:
    """A new event of `group`, from the fields of CHANGEABLE that are given, as `draft` makes it, and in the future.

    Raises Invalid.
    """
    event = draft(group, by, wanted, hosts, now)
    errors = []
    if event.starts_at <= now:
        errors.append(_error("/starts_at", "It must be in the future."))
    if event.rsvp_closes_at is not None and event.rsvp_closes_at <= now:
        errors.append(_error("/rsvp_closes_at", "It must be in the future."))
    if errors:
        raise Invalid(errors=errors)
    return event


def draft(group: Group, by: str | None, wanted: dict[str, Any], hosts: Sequence[Host], now: datetime) -> Event:
    """A new event of `group`, whenever it is, from the fields of CHANGEABLE that are given. Raises Invalid.

    `starts_at` and `ends_at` are local; `rsvp_closes_at` is local, or a moment if it has a zone. Without a visibility
    the event is as open as its group. What was assumed about an ambiguous time is in `notes`.
    """
    event = Event(
        id=new_id("evt"),
        group_id=group.id,
        group_slug=group.slug,
        group_name=group.name,
        group_visibility=group.visibility,
        group_archived=group.archived,
        group_sequence=group.sequence,
        interests=group.interests,
        created_at=now,
        created_by=by,
    )
    _set(event, {**LEFT_OUT, "visibility": None, **wanted}, hosts)
    errors = _settle_times(event) or _check_times(event)
    if errors:
        raise Invalid(errors=errors)
    event.reminder = upcoming(event.starts_at, now)
    return event


def change(event: Event, wanted: dict[str, Any], hosts: Sequence[Host] | None, now: datetime) -> list[str]:
    """Change an event by a merge patch (RFC 7396) of the fields of CHANGEABLE; `hosts` are who `wanted["hosts"]` names.

    Local times stay when only the zone changes. Returns the names of what is different now; the event is a version
    further if anything is. Raises Invalid, AlreadyCancelled, EventOver, GroupArchived; the event is then not to be used.
    """
    if event.cancelled:
        raise AlreadyCancelled("It cannot be changed any more.")
    if event.ends_at <= now:
        raise EventOver("It cannot be changed any more.")
    if event.group_archived:
        raise GroupArchived("It is read-only: its events do not change.")
    before = _said(event)
    start = event.starts_at
    wanted = {name: LEFT_OUT.get(name) if value is None else value for name, value in wanted.items()}
    if wanted.get("venue") is not None:
        wanted["venue"] = _merge_venue(event.venue, wanted["venue"])
    _set(event, wanted, hosts)
    errors = _settle_times(event) or _check_times(event)
    if not errors and event.starts_at != start and event.starts_at <= now:
        errors = [_error("/starts_at", "It must be in the future.")]
    if errors:
        raise Invalid(errors=errors)
    after = _said(event)
    changed = [name for name in CHANGEABLE if before[name] != after[name]]
    if event.starts_at != start:
        event.reminder = upcoming(event.starts_at, now)
    if changed:
        event.revise(now)
    return changed


def staying_hosts(hosts: Sequence[Host], person: str, sequence: int) -> list[Host]:
    """The hosts without a person, unless they were named after this version of the group."""
    return [host for host in hosts if host.id != person or host.as_member >= sequence]


def unhost(event: Event, person: str, sequence: int, now: datetime) -> bool:
    """Take a person from the hosts, if they were named before their membership ended at this version of the group.

    Returns whether they were one; the event is then a version further.
    """
    staying = staying_hosts(event.hosts, person, sequence)
    if len(staying) == len(event.hosts):
        return False
    event.hosts = staying
    event.revise(now)
    return True


def follow_the_clock(event: Event, now: datetime) -> list[str]:
    """Work out the moments of an event anew, where a zone has other rules now; returns the names of what is different.

    The wall clock's times stay, but where there is no such time any more. So do the moments in a zone that is no more.
    """
    if event.time_zone not in time_zones():
        event.rules = rules_version()
        return []
    before, start, zone = _said(event), event.starts_at, ZoneInfo(event.time_zone)
    for name in ("starts_at_local", "ends_at_local", "rsvp_closes_at_local"):
        local = getattr(event, name)
        setattr(event, name, None if local is None else placed(local, zone))
    _settle_times(event)
    event.notes = []
    if event.starts_at != start:
        event.reminder = upcoming(event.starts_at, now)
    after = _said(event)
    changed = [name for name in CHANGEABLE if before[name] != after[name]]
    if changed:
        event.revise(now)
    return changed


def cancel(event: Event, reason: str | None, now: datetime) -> None:
    """Cancel an event. Raises AlreadyCancelled, EventOver."""
    if event.cancelled:
        raise AlreadyCancelled("It was cancelled before.")
    if event.ends_at <= now:
        raise EventOver("It took place: there is nothing to cancel.")
    event.cancelled_at, event.reason, event.reminder = now, reason, None
    event.revise(now)


def as_seen(
    event: Event, now: datetime, person: str | None = None, viewer: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The event as somebody sees it: `viewer` is their own answer. The join link is for those going, and hosts."""
    inside = person is not None and (event.hosted_by(person) or (viewer is not None and viewer["status"] == GOING))
    return {
        **as_told(event, now),
        "join_url": event.join_url if inside else None,
        "viewer": viewer,
        **({"notes": event.notes} if event.notes else {}),
    }


def as_told(event: Event, now: datetime) -> dict[str, Any]:
    """The event as everybody who may know of it may see it."""
    return {
        "id": event.id,
        "group": group_of(event),
        "series": event.series,
        "title": event.title,
        "description": event.description,
        "kind": event.kind,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "starts_at_local": event.starts_at_local,
        "ends_at_local": event.ends_at_local,
        "time_zone": event.time_zone,
        "venue": event.venue,
        "capacity": event.capacity,
        "seats_taken": event.seats_taken,
        "waitlist_length": event.waitlist_length,
        "max_guests": event.max_guests,
        "visibility": event.visibility,
        "hosts": [host.handle for host in event.hosts],
        "status": event.status(now),
        "rsvp_closes_at": event.rsvp_closes_at,
        "version": event.version,
    }


def group_of(event: Event) -> dict[str, Any]:
    """The event's group, as messages and lists name it."""
    return {"id": event.group_id, "slug": event.group_slug, "name": event.group_name}


def reference(event: Event) -> dict[str, Any]:
    """The event, as messages name it."""
    return {"id": event.id, "title": event.title, "starts_at": event.starts_at, "time_zone": event.time_zone}


# -- times


@cache
def time_zones() -> frozenset[str]:
    """The names of all IANA time zones."""
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a local time means: a moment; or none, and the next local time that exists. `twice` if it comes twice."""

    moment: datetime | None
    next: datetime | None = None
    twice: bool = False


def resolve(local: datetime, zone: ZoneInfo) -> Resolved:
    """The moment (UTC) of a wall-clock time in a zone; of two, when clocks are set back, the first (RFC 5545, section
    3.3.5).

    A time that is skipped when clocks are set forward means no moment. Raises OverflowError for years that UTC does not
    have.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return Resolved(first, twice=first != second)
    # In a gap, PEP 495 reads fold=0 by the offset before the change and fold=1 by the one after: the change is in
    # between.
    early, late = second, first
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == early.astimezone(zone).utcoffset():
            early = middle
        else:
            late = middle
    return Resolved(None, next=late.replace(microsecond=0).astimezone(zone).replace(tzinfo=None, fold=0))


def placed(local: datetime, zone: ZoneInfo) -> datetime:
    """The wall-clock time that exists for one that a rule gives: the same, or where clocks skip it, as much later.

    RFC 5545, sections 3.3.10 and 3.3.5. Raises OverflowError for years that UTC does not have.
    """
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _settle_times(event: Event) -> list[dict[str, str]]:
    """Work out the moments from the wall clock's times; returns what is wrong with them."""
    event.notes, event.rules = [], rules_version()
    if event.time_zone not in time_zones():
        return [_error("/time_zone", "Not an IANA time zone such as Europe/Berlin.")]
    zone, errors = ZoneInfo(event.time_zone), []
    for name in ("starts_at", "ends_at", "rsvp_closes_at"):
        local: datetime | None = getattr(event, name + "_local")
        if local is None:
            continue
        try:
            found = resolve(local, zone)
        except OverflowError:
            errors.append(_error(f"/{name}", "It is out of the range of times."))
            continue
        if found.moment is None:
            assert found.next is not None
            errors.append(
                _error(
                    f"/{name}",
                    f"{written(local)} does not exist in {event.time_zone}: clocks are set forward."
                    f" The next time that exists is {written(found.next)}.",
                )
            )
            continue
        if found.twice:
            offset = found.moment.astimezone(zone).strftime("%z")
            event.notes.append(
                f"{name}: {written(local)} comes twice in {event.time_zone}, as clocks are set back."
                f" The first is meant, at UTC{offset[:3]}:{offset[3:]}."
            )
        setattr(event, name, found.moment)
    return errors


def _check_times(event: Event) -> list[dict[str, str]]:
    errors = []
    if event.ends_at <= event.starts_at:
        errors.append(_error("/ends_at", "It must be after starts_at."))
    if event.rsvp_closes_at is not None and event.rsvp_closes_at > event.starts_at:
        errors.append(_error("/rsvp_closes_at", "It must not be after starts_at."))
    return errors


def written(local: datetime) -> str:
    """A local time as the API writes it: `2026-12-01T19:00`, with seconds where there are any."""
    return local.isoformat(timespec="seconds" if local.second else "minutes")


# -- fields


def _set(event: Event, wanted: dict[str, Any], hosts: Sequence[Host] | None) -> None:
    for name, value in wanted.items():
        if name in ("starts_at", "ends_at"):
            setattr(event, name + "_local", value)
        elif name == "rsvp_closes_at":
            if value is not None:
                value = value.replace(microsecond=0)
            local = value is not None and value.tzinfo is None
            event.rsvp_closes_at_local, event.rsvp_closes_at = (value, None) if local else (None, value)
        elif name == "visibility":
            event.visibility = value or ("public" if event.group_visibility == "public" else "group")
        elif name != "hosts":
            setattr(event, name, value)
    if hosts is not None:
        event.hosts = list(hosts)


def _merge_venue(venue: dict[str, Any] | None, patch: dict[str, Any]) -> dict[str, Any]:
    merged = {**(venue or {}), **patch}
    if isinstance(patch.get("location"), dict):
        merged["location"] = {**((venue or {}).get("location") or {}), **patch["location"]}
    merged = {name: value for name, value in merged.items() if value is not None}
    if "name" not in merged:
        raise Invalid.at("/venue/name", "A venue has a name.")
    if "location" in merged and set(merged["location"]) != {"lat", "lon"}:
        raise Invalid.at("/venue/location", "A location has both lat and lon.")
    return merged


def _said(event: Event) -> dict[str, Any]:
    """What CHANGEABLE names, to be compared."""
    said = {name: getattr(event, name) for name in CHANGEABLE}
    said["starts_at"] = (event.starts_at, event.starts_at_local)
    said["ends_at"] = (event.ends_at, event.ends_at_local)
    said["hosts"] = [host.id for host in event.hosts]
    return said


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}
