"""Says of each thing that happened whom it is for and how it reads: one notice, whatever the size of its audience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis.ids import new_id
from notifications.audiences.model import ORGANIZER, Audience
from notifications.audiences.model import Kind as AudienceKind

MEMBER_JOINED = "member.joined"
EVENT_SCHEDULED = "event.scheduled"
EVENT_CHANGED = "event.changed"
EVENT_CANCELLED = "event.cancelled"
RSVP_PROMOTED = "rsvp.promoted"

AUDIENCE_OF: Mapping[str, AudienceKind] = {
    MEMBER_JOINED: "organizers",
    EVENT_SCHEDULED: "group",
    EVENT_CHANGED: "event",
    EVENT_CANCELLED: "event",
    RSVP_PROMOTED: "person",
}
"""All kinds of notice, with the kind of audience of each."""

_WORDS = {
    "title": "the title",
    "description": "the description",
    "starts_at": "the time",
    "ends_at": "the time",
    "starts_at_local": "the time",
    "ends_at_local": "the time",
    "time_zone": "the time",
    "kind": "how to take part",
    "join_url": "how to take part",
    "venue": "the place",
    "capacity": "the number of seats",
    "max_guests": "how many guests you may bring",
    "visibility": "who may see it",
    "hosts": "the hosts",
    "rsvp_closes_at": "until when to answer",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that an audience should hear of. `group` is `{id, slug, name}`, `subject` is `{type, id, href}`.

    `at` is when it happened; `id` sorts by when the notice was made, which is later, and much later after an outage.
    """

    kind: str
    audience: Audience
    title: str
    body: str
    group: dict[str, str]
    subject: dict[str, str]
    at: datetime
    not_for: tuple[str, ...] = ()
    """Who did it or whom it is about, by id: they are not told what they know."""
    id: str = field(default_factory=lambda: new_id("ntc"))


def member_joined(
    group: dict[str, str], person: dict[str, str], role: str, by: dict[str, str] | None, at: datetime
) -> Notice | None:
    """What the group's organizers hear when a person joined, or was let in `by` one of them; nothing of its founder."""
    if role == ORGANIZER:
        return None
    return Notice(
        kind=MEMBER_JOINED,
        audience=Audience("organizers", group["id"]),
        title=f"{person['display_name']} joined {group['name']}",
        body=f"@{person['handle']} is a member now. Say hello!",
        group=group,
        subject={"type": "person", "id": person["id"], "href": f"/v1/people/{person['handle']}"},
        at=at,
        not_for=(person["id"], *_did(by)),
    )


def event_scheduled(group: dict[str, str], event: dict[str, Any], by: dict[str, str] | None, at: datetime) -> Notice:
    """What the group's members hear when an event was scheduled."""
    body = f"{_when(event)}, with {group['name']}"
    return _of_event(
        EVENT_SCHEDULED, Audience("group", group["id"]), f"New: {event['title']}", body, group, event, by, at
    )


def event_changed(
    group: dict[str, str], event: dict[str, Any], changed: Sequence[str], by: dict[str, str] | None, at: datetime
) -> Notice:
    """What those who answered hear when something about the event changed; `changed` are the names of its fields."""
    words = list(dict.fromkeys(_WORDS[name] for name in changed if name in _WORDS))
    what = f"Changed: {', '.join(words)}. " if words else ""
    body = f"{what}It is now on {_when(event)}"
    return _of_event(
        EVENT_CHANGED, Audience("event", event["id"]), f"Changed: {event['title']}", body, group, event, by, at
    )


def event_cancelled(
    group: dict[str, str], event: dict[str, Any], reason: str | None, by: dict[str, str] | None, at: datetime
) -> Notice:
    """What those who answered hear when the event was cancelled."""
    body = f"It was to be on {_when(event)}" + (f". {reason}" if reason else "")
    title = f"Cancelled: {event['title']}"
    return _of_event(EVENT_CANCELLED, Audience("event", event["id"]), title, body, group, event, by, at)


def rsvp_promoted(group: dict[str, str], event: dict[str, Any], person: str, at: datetime) -> Notice:
    """What a person hears when a seat became free and is theirs."""
    body = f"A seat became free and it is yours: {_when(event)}"
    title = f"You are in: {event['title']}"
    return _of_event(RSVP_PROMOTED, Audience("person", person), title, body, group, event, None, at)


def _of_event(
    kind: str,
    audience: Audience,
    title: str,
    body: str,
    group: dict[str, str],
    event: dict[str, Any],
    by: dict[str, str] | None,
    at: datetime,
) -> Notice:
    subject = {"type": "event", "id": event["id"], "href": f"/v1/events/{event['id']}"}
    return Notice(kind, audience, title, body, group, subject, at, _did(by))


def _did(by: dict[str, str] | None) -> tuple[str, ...]:
    return (by["id"],) if by else ()


def _when(event: dict[str, Any]) -> str:
    """The event's start on the clock of its place, e.g. `Tuesday, 1 December 2026, 19:00 (America/New_York)`."""
    starts_at: datetime = event["starts_at"]
    name = event["time_zone"]
    try:
        local = starts_at.astimezone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError):
        # A zone that is newer than this machine's time zone data.
        local, name = starts_at.astimezone(UTC), "UTC"
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M} ({name})"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
