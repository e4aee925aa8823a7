"""What comes in and goes out about events, and what is published of them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, validate

from chassis.messages import Message
from chassis.schemas import Cursor, Integer, ListQuery, Number, Query, QueryFlag, Schema, Text, Time, page_of, rfc3339
from chassis.vocabulary import GroupRef, Interest, Location, Near, PersonRef
from events.events.model import Event as EventKept
from events.events.model import as_told, group_of, written

KINDS = ("in_person", "virtual", "hybrid")
VISIBILITIES = ("group", "public")
MOST_HOSTS = 20
MOST_INTERESTS = 15

_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


class LocalTime(fields.String):
    """A wall-clock time such as `2026-12-01T19:00`: loaded as a datetime without a zone."""

    default_error_messages = {"local": "Not a local time such as 2026-12-01T19:00, without an offset."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            metadata={"pattern": f"^{_LOCAL.pattern}$".replace(r"\d", "[0-9]"), **kwargs.pop("metadata", {})}, **kwargs
        )

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else written(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs) or ""
        try:
            if _LOCAL.fullmatch(text):
                return datetime.fromisoformat(text)
        except ValueError:
            pass
        raise self.make_error("local")


class ClosingTime(fields.String):
    """A wall-clock time as LocalTime, or a moment (RFC 3339, with an offset). Goes out as a moment in UTC."""

    default_error_messages = {"closing": "Neither a local time such as 2026-12-01T18:00 nor an RFC 3339 time."}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        for kind in (LocalTime(), Time()):
            try:
                return kind.deserialize(value, attr, data, **kwargs)
            except ValidationError:
                continue
        raise self.make_error("closing")


def _https() -> validate.URL:
    return validate.URL(schemes={"https"}, require_tld=False, error="It must be an https address.")


def within_time(place: list[Any]) -> None:
    """Refuse a cursor whose time no clock has. Raises ValidationError."""
    if not 0 <= place[0] < 253_402_300_800_000:
        raise ValidationError(Cursor.default_error_messages["invalid"])


class Venue(Schema):
    """Where an event takes place."""

    name = Text(1, 200, required=True)
    address = Text(0, 500, lines=True)
    location = fields.Nested(Location)


class NewEvent(Schema):
    """An event to be scheduled."""

    title = Text(3, 120, required=True)
    starts_at = LocalTime(
        required=True,
        metadata={
            "description": "The wall clock's time in `time_zone`. A time that is skipped when clocks are set forward is"
            " refused with the next one that exists; of one that comes twice the first is meant, and `notes` say so."
        },
    )
    ends_at = LocalTime(required=True, metadata={"description": "As `starts_at`, and after it."})
    time_zone = Text(1, 64, required=True, metadata={"description": "IANA, e.g. Europe/Berlin."})
    description = Text(0, 10_000, lines=True)
    kind = fields.String(validate=validate.OneOf(KINDS), metadata={"description": "`in_person` when left out."})
    venue = fields.Nested(Venue, allow_none=True)
    join_url = Text(0, 2_000, allow_none=True, validate=_https(), metadata={"format": "uri"})
    capacity = Integer(
        1, 100_000, allow_none=True, metadata={"description": "Seats, guests included; null for no limit."}
    )
    max_guests = Integer(0, 10, metadata={"description": "How many guests a person may bring; 0 when left out."})
    visibility = fields.String(
        validate=validate.OneOf(VISIBILITIES),
        metadata={
            "description": "For whom the event is: `group` for members, `public` for all who may know of the group."
            " When left out, as open as the group."
        },
    )
    hosts = fields.List(
        Text(1, 30),
        validate=validate.Length(1, MOST_HOSTS),
        metadata={"description": "Handles of members; when left out, who schedules it."},
    )
    rsvp_closes_at = ClosingTime(
        allow_none=True,
        metadata={
            "description": "Until when answers are taken: the wall clock's time in `time_zone`, or a moment with an"
            " offset. When left out, until the start."
        },
    )
    recurrence = Text(
        0,
        500,
        allow_none=True,
        metadata={
            "description": "The rule by which it repeats (RFC 5545, section 3.3.10), e.g. `FREQ=WEEKLY;BYDAY=TU`: `FREQ`"
            " `DAILY` to `YEARLY`, `INTERVAL`, `BYMONTH`, `BYMONTHDAY`, `BYDAY`, `BYSETPOS`, `WKST`, and `COUNT` or"
            " `UNTIL`, which may be left out. Makes a series, whose first event is at the first time of the rule that is"
            " not before `starts_at`. Null or left out: a single event."
        },
    )


class LocationChange(Schema):
    """A change of a location."""

    lat = Number(-90, 90)
    lon = Number(-180, 180)


class VenueChange(Schema):
    """A change of a venue; null takes a part away."""

    name = Text(1, 200)
    address = Text(0, 500, lines=True, allow_none=True)
    location = fields.Nested(LocationChange, allow_none=True)


class EventChange(Schema):
    """A change of an event (RFC 7396): only what is different; null takes a field back to what it is when left out."""

    title = Text(3, 120)
    starts_at = LocalTime()
    ends_at = LocalTime()
    time_zone = Text(1, 64)
    description = Text(0, 10_000, lines=True, allow_none=True)
    kind = fields.String(validate=validate.OneOf(KINDS), allow_none=True)
    venue = fields.Nested(VenueChange, allow_none=True)
    join_url = Text(0, 2_000, allow_none=True, validate=_https(), metadata={"format": "uri"})
    capacity = Integer(1, 100_000, allow_none=True)
    max_guests = Integer(0, 10, allow_none=True)
    visibility = fields.String(validate=validate.OneOf(VISIBILITIES), allow_none=True)
    hosts = fields.List(Text(1, 30), validate=validate.Length(1, MOST_HOSTS))
    rsvp_closes_at = ClosingTime(allow_none=True)
    recurrence = Text(
        0,
        500,
        metadata={
            "description": "Another rule for the series, with `apply` `following` or `all`: what takes place at times that"
            " it has too stays, the rest moves to its other times. Of a single event it makes a series."
        },
    )


class ApplyQuery(Query):
    """Which occurrences of a series are meant."""

    apply = fields.String(
        load_default="this",
        validate=validate.OneOf(("this", "following", "all")),
        metadata={
            "description": "In a series: `this` event alone, also those `following` it, or `all` that are to come. A"
            " single event is always just itself."
        },
    )


class Cancellation(Schema):
    """Why an event is cancelled."""

    reason = Text(0, 500, lines=True)


class Viewer(Schema):
    """The caller's own answer to an event."""

    status = fields.String(required=True, validate=validate.OneOf(("going", "waitlisted", "maybe", "not_going")))
    guests = fields.Integer(required=True)
    position = fields.Integer(required=True, allow_none=True, metadata={"description": "On the waitlist, from 1."})


class EventAsTold(Schema):
    """An event, as everybody who may know of it may see it."""

    id = fields.String(required=True)
    group = fields.Nested(GroupRef, required=True)
    series = fields.String(required=True, allow_none=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    starts_at_local = LocalTime(required=True)
    ends_at_local = LocalTime(required=True)
    time_zone = fields.String(required=True)
    venue = fields.Nested(Venue, required=True, allow_none=True)
    capacity = fields.Integer(required=True, allow_none=True)
    seats_taken = fields.Integer(required=True)
    waitlist_length = fields.Integer(required=True)
    max_guests = fields.Integer(required=True)
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    hosts = fields.List(fields.String(), required=True)
    status = fields.String(required=True, validate=validate.OneOf(("scheduled", "cancelled", "past")))
    rsvp_closes_at = Time(required=True, allow_none=True)
    version = fields.Integer(required=True)


class Event(EventAsTold):
    """A get-together of a group."""

    join_url = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "For people who are going, and hosts; null for others."},
    )
    viewer = fields.Nested(Viewer, required=True, allow_none=True)
    notes = fields.List(
        fields.String(),
        metadata={"description": "What was assumed about the times just given; only where something was."},
    )


EventPage = page_of(Event)


class EventsQuery(ListQuery):
    """Which events to list; those that begin now or later, unless `from` says otherwise."""

    group = fields.String(metadata={"description": "Id or slug of a group."})
    interest = fields.List(
        Interest(), validate=validate.Length(max=MOST_INTERESTS), metadata={"description": "Of the group; ALL of them."}
    )
    near = Near(metadata={"description": "`lat,lon`: events whose venue is within `within_km` of it."})
    within_km = fields.Float(
        load_default=50.0, validate=validate.Range(1, 20_000), metadata={"description": "50 when left out."}
    )
    since = Time(
        data_key="from", metadata={"description": "Events that begin at this time or later; now when left out."}
    )
    to = Time(metadata={"description": "Events that begin before this time."})
    kind = fields.String(validate=validate.OneOf(KINDS))
    series = fields.String(metadata={"description": "Id of a series: its events; cancelled ones too."})
    mine = QueryFlag(metadata={"description": "Events that the caller hosts, or answered other than `not_going`."})
    cursor = Cursor(int, str, validate=within_time, metadata={"description": "The `next` of the page before."})


# -- messages


class EventData(Schema):
    """What messages tell of an event."""

    event = fields.Nested(EventAsTold, required=True)
    group = fields.Nested(GroupRef, required=True)
    interests = fields.List(fields.String(), required=True)
    by = fields.Nested(
        PersonRef, required=True, allow_none=True, metadata={"description": "Who did it; null where the platform did."}
    )
    recurrence = fields.String(
        metadata={"description": "Where it is the first of a new series: the rule by which it repeats (RFC 5545)."}
    )
    tells_of = fields.List(
        fields.String(),
        metadata={
            "description": "Where the same was done to several events of a series at once: their ids, this one's too."
            " Each has a message of its own; who tells people tells them once, by this one."
        },
    )
    told_with = fields.String(
        metadata={"description": "The event whose message tells people of this one too: see `tells_of`."}
    )


class EventChangedData(EventData):
    """What messages tell of a changed event."""

    changed = fields.List(fields.String(), required=True)


class EventCancelledData(EventData):
    """What messages tell of a cancelled event."""

    reason = fields.String(required=True, allow_none=True)


_ANA = {"id": "psn_01JDB3W0R8T4N5M6P7Q8R9S0T3", "handle": "ana", "display_name": "Ana"}
_GROUP = {"id": "grp_01JDB3W0R8T4N5M6P7Q8R9S0T1", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"}
_EVENT = {
    "id": "evt_01JDB3W0R8T4N5M6P7Q8R9S0T2",
    "group": _GROUP,
    "series": None,
    "title": "Brunch with kittens",
    "description": "Bacon is on the house.",
    "kind": "in_person",
    "starts_at": "2026-12-02T00:00:00Z",
    "ends_at": "2026-12-02T02:00:00Z",
    "starts_at_local": "2026-12-01T19:00",
    "ends_at_local": "2026-12-01T21:00",
    "time_zone": "America/New_York",
    "venue": {"name": "The Cat Café", "address": "1 Main Street, Washington", "location": {"lat": 38.9, "lon": -77.03}},
    "capacity": 2,
    "seats_taken": 0,
    "waitlist_length": 0,
    "max_guests": 0,
    "visibility": "public",
    "hosts": ["ana"],
    "status": "scheduled",
    "rsvp_closes_at": None,
    "version": 1,
}
_EXAMPLE = {"event": _EVENT, "group": _GROUP, "interests": ["kittens", "bacon"], "by": _ANA}


class EventScheduled(Message):
    """A group has a new event."""

    type = "events.event.scheduled.v1"
    data = EventData
    example = _EXAMPLE

    @classmethod
    def of(cls, event: EventKept, cause: Any, by: dict[str, str] | None, **more: Any) -> EventScheduled:
        """That the event was scheduled, and by whom."""
        return cls({**_told(event, cause, by), **more}, **_envelope(event))


class EventChanged(Message):
    """An event is different now: `changed` names the fields."""

    type = "events.event.changed.v1"
    data = EventChangedData
    example = {**_EXAMPLE, "event": {**_EVENT, "capacity": 12, "version": 7}, "changed": ["capacity"]}

    @classmethod
    def of(
        cls, event: EventKept, changed: list[str], cause: Any, by: dict[str, str] | None, **more: Any
    ) -> EventChanged:
        """That fields of the event with these names were changed, and by whom."""
        return cls({**_told(event, cause, by), "changed": changed, **more}, **_envelope(event))


class EventCancelled(Message):
    """An event does not take place."""

    type = "events.event.cancelled.v1"
    data = EventCancelledData
    example = {**_EXAMPLE, "event": {**_EVENT, "status": "cancelled", "version": 8}, "reason": "The café is closed."}

    @classmethod
    def of(cls, event: EventKept, cause: Any, by: dict[str, str] | None, **more: Any) -> EventCancelled:
        """That the event was cancelled, and by whom."""
        return cls({**_told(event, cause, by), "reason": event.reason, **more}, **_envelope(event))


def _told(event: EventKept, cause: Any, by: dict[str, str] | None) -> dict[str, Any]:
    return {"event": as_told(event, cause.now), "group": group_of(event), "interests": event.interests, "by": by}


def _envelope(event: EventKept) -> dict[str, Any]:
    return {"subject": event.id, "sequence": event.version, "audience": event.audience}
