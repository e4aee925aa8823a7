"""What comes in and goes out about suggestions."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from chassis.schemas import Cursor, ListQuery, Schema, page_of
from groups.groups.schemas import GroupView, group_view
from groups.suggestions.model import KINDS


class SuggestionsQuery(ListQuery):
    """Groups that the caller might like."""

    cursor = Cursor(int, int, str, metadata={"description": "The `next` of the page before."})


class ReasonView(Schema):
    """One thing that speaks for a group."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata={
            "description": "`interests`: it shares some with the caller. `members`: people of the caller's groups are "
            "in it. `near`: it is near the caller's place."
        },
    )
    interests = fields.List(fields.String(), metadata={"description": "Of `interests`: which."})
    members = fields.Integer(metadata={"description": "Of `members`: how many."})
    distance_km = fields.Float(metadata={"description": "Of `near`: how far away."})


class SuggestedGroup(GroupView):
    """A group that the caller might like, and why."""

    reasons = fields.List(fields.Nested(ReasonView), required=True)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """See GroupView.dump."""
        return {**group_view(obj.group), "reasons": obj.reasons}


SuggestionsPage = page_of(SuggestedGroup)
