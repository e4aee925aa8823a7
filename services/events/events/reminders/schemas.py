"""What is published of events that are near."""

from __future__ import annotations

from marshmallow import fields, validate

from chassis.messages import Message
from chassis.schemas import Schema
from chassis.vocabulary import EventRef, GroupRef
from events.reminders.model import LEADS


class EventDueData(Schema):
    """What messages tell of an event that is near."""

    event = fields.Nested(EventRef, required=True)
    group = fields.Nested(GroupRef, required=True)
    lead = fields.String(
        required=True,
        data_key="in",
        validate=validate.OneOf(LEADS),
        metadata={"description": "How long until the start (ISO 8601); less where everything was down at that time."},
    )


class EventDue(Message):
    """An event is a day or an hour away: time to remind who is going. Told once each."""

    type = "events.event.due.v1"
    data = EventDueData
    example = {
        "event": {
            "id": "evt_01JDB3W0R8T4N5M6P7Q8R9S0T2",
            "title": "Brunch with kittens",
            "starts_at": "2026-12-02T00:00:00Z",
            "time_zone": "America/New_York",
        },
        "group": {"id": "grp_01JDB3W0R8T4N5M6P7Q8R9S0T1", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"},
        "in": "PT24H",
    }
