"""The words that all services share: what an interest and a place are, and how people, groups and events are named."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError, fields, validate

from chassis.schemas import Number, Schema, Text, Time

LONGEST_INTEREST = 50


def normalize_interest(text: str) -> str:
    """An interest in its normal form: NFKC, case-folded, white space collapsed and trimmed, leading `#` dropped.

    Idempotent. Raises ValueError when what remains is empty, longer than 50 characters, or has control characters.
    """
    # Folding can undo NFKC and the other way round (U+0345, ligatures), so both run until nothing changes any more.
    before, interest = None, text
    while before != interest:
        before = interest
        interest = " ".join(unicodedata.normalize("NFKC", interest).casefold().split()).lstrip("#").strip()
    if not 1 <= len(interest) <= LONGEST_INTEREST:
        raise ValueError(f"An interest has 1 to {LONGEST_INTEREST} characters.")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in interest):
        raise ValueError("An interest has no control characters.")
    return interest


class Interest(fields.String):
    """An interest, loaded in its normal form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return normalize_interest(super()._deserialize(value, attr, data, **kwargs) or "")
        except ValueError as fault:
            raise ValidationError(str(fault)) from None


class Interests(fields.List):
    """A set of interests: loaded in their normal form, in the order given, each once."""

    def __init__(self, minimum: int = 0, maximum: int | None = None, **kwargs: Any) -> None:
        super().__init__(Interest(), validate=validate.Length(minimum, maximum), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class Location(Schema):
    """A point on the earth (WGS 84 degrees)."""

    lat = Number(-90, 90, required=True)
    lon = Number(-180, 180, required=True)


class Place(Schema):
    """Where a person or group is at home."""

    name = Text(1, 120, required=True)
    country = Text(
        2, 2, required=True, validate=validate.Regexp("^[A-Z]{2}$", error="Use ISO 3166-1 alpha-2, e.g. US.")
    )
    region = Text(4, 6, validate=validate.Regexp("^[A-Z]{2}-[A-Z0-9]{1,3}$", error="Use ISO 3166-2, e.g. US-DC."))
    location = fields.Nested(Location)


class Near(fields.Field[tuple[float, float]]):
    """`lat,lon` in a query, e.g. `38.9,-77.0`: loaded as a pair of degrees."""

    default_error_messages = {"invalid": "Use latitude,longitude in degrees, e.g. 38.9,-77.0."}
    pattern = re.compile(r"^\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)\s*$", re.ASCII)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[float, float]:
        found = self.pattern.match(value) if isinstance(value, str) else None
        if not found:
            raise self.make_error("invalid")
        lat, lon = float(found[1]), float(found[2])
        if abs(lat) > 90 or abs(lon) > 180:
            raise self.make_error("invalid")
        return lat, lon


class PersonRef(Schema):
    """How messages and lists name a person."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)


class GroupRef(Schema):
    """How messages and lists name a group."""

    id = fields.String(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)


class EventRef(Schema):
    """How messages name an event."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    starts_at = Time(required=True)
    time_zone = fields.String(required=True)
