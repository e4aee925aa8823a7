"""What is read of the messages about attendance."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Time, Tolerant


class Named(Tolerant):
    """A person or group of whom only the id counts."""

    id = fields.String(required=True)


class Attended(Tolerant):
    """The event that somebody came to."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    starts_at = Time(required=True)
    time_zone = fields.String(required=True)


class AttendanceData(Tolerant):
    """Of `events.attendance.recorded`."""

    event = fields.Nested(Attended, required=True)
    group = fields.Nested(Named, required=True)
    person = fields.Nested(Named, required=True)
