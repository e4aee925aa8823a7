"""What comes in and goes out about RSVPs, and what is published of them."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from chassis.messages import Message
from chassis.schemas import Cursor, Integer, ListQuery, Schema, Time, Tolerant, page_of
from chassis.vocabulary import EventRef, GroupRef, PersonRef
from events.events.schemas import Event, within_time

ANSWERS = ("going", "maybe", "not_going")
STATUSES = ("going", "waitlisted", "maybe", "not_going")


class ChangedData(Tolerant):
    """Of `events.event.changed`."""

    changed = fields.List(fields.String(), required=True)


class NewAnswer(Schema):
    """A person's answer to an event."""

    answer = fields.String(required=True, validate=validate.OneOf(ANSWERS))
    guests = Integer(0, 10, load_default=0, metadata={"description": "Up to the event's `max_guests`."})


class Answered(Schema):
    """What became of an answer."""

    answer = fields.String(required=True, validate=validate.OneOf(ANSWERS))
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    guests = fields.Integer(required=True)
    position = fields.Integer(
        required=True, allow_none=True, metadata={"description": "On the waitlist, from 1; null for who does not wait."}
    )


class RsvpItem(Schema):
    """One person's RSVP, as members of the group see it."""

    person = fields.Nested(PersonRef, required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    guests = fields.Integer(required=True)
    position = fields.Integer(required=True, allow_none=True)
    answered_at = Time(required=True)


RsvpPage = page_of(RsvpItem)


def _within_versions(place: list[Any]) -> None:
    """Refuse a cursor whose place no event has. Raises ValidationError."""
    if not 0 <= place[1] < 2**63:
        raise ValidationError(Cursor.default_error_messages["invalid"])


class RsvpsQuery(ListQuery):
    """Whose RSVPs to list: by status, and within it in the order in which it was taken."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    cursor = Cursor(
        str,
        int,
        validate=_within_versions,
        metadata={"description": "The `next` of the page before."},
    )


class MyRsvpItem(Schema):
    """An event that the caller answered."""

    event = fields.Nested(Event, required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    guests = fields.Integer(required=True)
    position = fields.Integer(required=True, allow_none=True)
    answered_at = Time(required=True)


MyRsvpPage = page_of(MyRsvpItem)


class MyEventsQuery(ListQuery):
    """Which of the answered events to list, in order of start."""

    since = Time(
        data_key="from", metadata={"description": "Events that begin at this time or later; now when left out."}
    )
    status = fields.String(validate=validate.OneOf(STATUSES))
    cursor = Cursor(int, str, validate=within_time, metadata={"description": "The `next` of the page before."})


# -- messages


class RsvpChangedData(Schema):
    """What messages tell of a changed RSVP."""

    event = fields.Nested(EventRef, required=True)
    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    was = fields.String(required=True, allow_none=True, validate=validate.OneOf(STATUSES))
    guests = fields.Integer(required=True)
    asked_again = fields.Boolean(
        metadata={"description": "True where the event was moved: the answer is taken back, and asked for again."}
    )


class RsvpPromotedData(Schema):
    """What messages tell of a promotion off the waitlist."""

    event = fields.Nested(EventRef, required=True)
    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)
    guests = fields.Integer(required=True)


_EXAMPLE = {
    "event": {
        "id": "evt_01JDB3W0R8T4N5M6P7Q8R9S0T2",
        "title": "Brunch with kittens",
        "starts_at": "2026-12-02T00:00:00Z",
        "time_zone": "America/New_York",
    },
    "group": {"id": "grp_01JDB3W0R8T4N5M6P7Q8R9S0T1", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"},
    "person": {"id": "psn_01JDB3W0R8T4N5M6P7Q8R9S0T3", "handle": "dora", "display_name": "Dora"},
    "guests": 0,
}


class RsvpChanged(Message):
    """A person answered otherwise than before, or lost their RSVP with their membership; `was` is null for a first
    answer.

    Somebody who gets off the waitlist because a seat came free is told of by `events.rsvp.promoted.v1` instead.
    """

    type = "events.rsvp.changed.v1"
    data = RsvpChangedData
    example = {**_EXAMPLE, "status": "waitlisted", "was": None}


class RsvpPromoted(Message):
    """A person got off the waitlist, and is going."""

    type = "events.rsvp.promoted.v1"
    data = RsvpPromotedData
    example = _EXAMPLE
