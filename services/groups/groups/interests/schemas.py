"""What comes in and goes out about interests."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from chassis.schemas import Cursor, ListQuery, Schema, page_of
from chassis.vocabulary import normalize_interest


class Prefix(fields.String):
    """The beginning of an interest, in its normal form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs) or ""
        try:
            return normalize_interest(text) if text.strip("# ") else ""
        except ValueError as fault:
            raise ValidationError(str(fault)) from None


class InterestsQuery(ListQuery):
    """Which interests to list."""

    prefix = Prefix(load_default="", metadata={"description": "How they begin."})
    cursor = Cursor(int, str, metadata={"description": "The `next` of the page before."})


class InterestView(Schema):
    """An interest, and how many public groups and people have it."""

    name = fields.String(required=True)
    groups = fields.Integer(required=True)
    people = fields.Integer(required=True)


InterestsPage = page_of(InterestView)
