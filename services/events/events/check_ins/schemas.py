"""What comes in and goes out about check-ins, and what is published of them."""

from __future__ import annotations

from marshmallow import fields

from chassis.messages import Message
from chassis.schemas import Schema, Text, Time
from chassis.vocabulary import EventRef, GroupRef, PersonRef


class NewCheckIn(Schema):
    """Somebody who came."""

    handle = Text(1, 30, required=True, metadata={"description": "Of the person who came."})


class CheckIn(Schema):
    """That a person came to an event."""

    person = fields.Nested(PersonRef, required=True)
    checked_in_at = Time(required=True)


class AttendanceData(Schema):
    """What messages tell of somebody who came."""

    event = fields.Nested(EventRef, required=True)
    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)


class AttendanceRecorded(Message):
    """A person came to an event: told once for each person and event, however often they are checked in."""

    type = "events.attendance.recorded.v1"
    data = AttendanceData
    example = {
        "event": {
            "id": "evt_01JDB3W0R8T4N5M6P7Q8R9S0T2",
            "title": "Brunch with kittens",
            "starts_at": "2026-12-02T00:00:00Z",
            "time_zone": "America/New_York",
        },
        "group": {"id": "grp_01JDB3W0R8T4N5M6P7Q8R9S0T1", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"},
        "person": {"id": "psn_01JDB3W0R8T4N5M6P7Q8R9S0T3", "handle": "dora", "display_name": "Dora"},
    }
