"""What goes out about calendars, beside the calendars themselves."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Schema, Time


class CalendarAddress(Schema):
    """The private address of the caller's calendar."""

    href = fields.String(
        required=True,
        metadata={
            "description": "`/v1/calendars/{secret}.ics`: whoever knows it reads the calendar without signing in. It is"
            " shown here only; asking again makes a new one, and this one leads nowhere."
        },
    )
    created_at = Time(required=True)
