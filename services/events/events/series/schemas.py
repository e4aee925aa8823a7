"""What goes out about series."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from chassis.schemas import Either, Schema
from chassis.vocabulary import GroupRef
from events.events.schemas import Event, LocalTime


class Series(Schema):
    """Events that repeat by a rule. Each of them is an event like any other, whose `series` is the id of this one."""

    id = fields.String(required=True)
    group = fields.Nested(GroupRef, required=True)
    title = fields.String(required=True)
    recurrence = fields.String(
        required=True, metadata={"description": "The rule (RFC 5545), from `starts_at_local` on; `UNTIL` in UTC."}
    )
    starts_at_local = LocalTime(required=True, metadata={"description": "The first time of the rule as it is now."})
    ends_at_local = LocalTime(required=True)
    time_zone = fields.String(required=True)
    ended = fields.Boolean(
        required=True, metadata={"description": "Whether all of its events are there, and no more will be."}
    )
    occurrences = fields.List(
        fields.Nested(Event),
        required=True,
        metadata={
            "description": "Its first events that are to come, 20 at most; `GET /v1/events?series=` lists all. Those of the"
            " next 180 days are there, and each day those of one more day."
        },
    )
    version = fields.Integer(required=True)


class EventOrSeries(Either):
    """A single event; or with a `recurrence` the series, with its first occurrences."""

    kinds = (Event, Series)

    def kind_of(self, content: dict[str, Any]) -> type[Schema]:
        """Which of them the content is."""
        return Series if "occurrences" in content else Event
