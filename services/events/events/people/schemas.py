"""What is read of the messages about people, and what a person is given of what is held about them."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Schema, Time, Tolerant
from chassis.vocabulary import EventRef


class Named(Tolerant):
    """How messages name a person."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)


class PersonData(Tolerant):
    """Of `groups.person.registered` and `.updated`."""

    person = fields.Nested(Named, required=True)
    interests = fields.List(fields.String(), load_default=list)
    background = fields.String(load_default="")
    icebreakers = fields.Boolean(load_default=False)


class ErasedData(Tolerant):
    """Of `groups.person.erased`."""

    person_id = fields.String(required=True)


class HeldPerson(Schema):
    """How this service knows the person."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)
    interests = fields.List(fields.String(), required=True)
    background = fields.String(required=True)
    icebreakers = fields.Boolean(required=True)


class HeldMembership(Schema):
    """A membership that this service knows of."""

    group = fields.String(required=True, metadata={"description": "The id of the group."})
    status = fields.String(required=True)
    role = fields.String(required=True, allow_none=True)


class HeldRsvp(Schema):
    """An RSVP of the person."""

    event = fields.Nested(EventRef, required=True)
    status = fields.String(required=True)
    guests = fields.Integer(required=True)
    answered_at = Time(required=True)


class HeldCheckIn(Schema):
    """An event that the person came to."""

    event = fields.Nested(EventRef, required=True)
    checked_in_at = Time(required=True)


class HeldCalendar(Schema):
    """The private address of the person's calendar, of which only a digest is kept."""

    created_at = Time(required=True)


class EventsExport(Schema):
    """All that the events service holds about a person."""

    person = fields.Nested(HeldPerson, required=True, allow_none=True)
    memberships = fields.List(fields.Nested(HeldMembership), required=True)
    rsvps = fields.List(fields.Nested(HeldRsvp), required=True)
    attended = fields.List(fields.Nested(HeldCheckIn), required=True)
    calendar = fields.Nested(HeldCalendar, required=True, allow_none=True)
    hosting = fields.List(fields.Nested(EventRef), required=True)
    scheduled = fields.List(fields.Nested(EventRef), required=True)
