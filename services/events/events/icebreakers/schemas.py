"""What goes out about icebreakers."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from chassis.schemas import Cursor, ListQuery, Schema, page_of
from chassis.vocabulary import PersonRef


class Icebreaker(Schema):
    """Somebody to meet at an event."""

    person = fields.Nested(PersonRef, required=True)
    shared = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Interests of both beyond the group's own, the rarest at the event first."},
    )
    opener = fields.String(required=True, metadata={"description": "An opening line."})


IcebreakerPage = page_of(Icebreaker)


def _within_ranks(place: list[Any]) -> None:
    """Refuse a cursor whose place no list has. Raises ValidationError."""
    if not (0 <= place[0] < 2**63 and 0 <= place[1] < 2**31):
        raise ValidationError(Cursor.default_error_messages["invalid"])


class IcebreakersQuery(ListQuery):
    """How many of them; best first."""

    cursor = Cursor(int, int, validate=_within_ranks, metadata={"description": "The `next` of the page before."})
