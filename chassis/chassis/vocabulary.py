"""The words that all services share: what an interest and a place are, and how people, groups and events are named."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from chassis.schemas import Number, Schema, Text, Time

LONGEST_INTEREST = 50
_aliases: dict[str, str] = {}
"""What interests are also called, each with the interest that it stands for, in this process (see use_aliases)."""


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


def interest_of(text: str) -> str:
    """The interest that a text names: its normal form, or what an alias stands for. Raises ValueError, see above."""
    normal = normalize_interest(text)
    return _aliases.get(normal, normal)


def interests_of(texts: Iterable[str]) -> list[str]:
    """The set of interests that texts name: in the order given, each once. Raises ValueError."""
    return list(dict.fromkeys(map(interest_of, texts)))


def read_aliases(text: str) -> dict[str, str]:
    """The aliases in a JSON document such as `{"caps": "washington capitals"}`, in normal form, each with what it stands for.

    An alias of an alias stands for what that stands for. Raises ValueError where it is not so, or goes round in a circle.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not all(isinstance(interest, str) for interest in document.values()):
        raise ValueError('It takes one JSON object of texts, such as {"caps": "washington capitals"}')
    direct = {normalize_interest(alias): normalize_interest(interest) for alias, interest in document.items()}
    found: dict[str, str] = {}
    for alias, interest in direct.items():
        if alias == interest:
            continue
        way = [alias]
        while interest in direct and interest != direct[interest]:
            way.append(interest)
            interest = direct[interest]
            if interest in way:
                raise ValueError(f"These stand for each other: {', '.join(way)}")
        found[alias] = interest
    return found


def use_aliases(aliases: Mapping[str, str]) -> None:
    """Have this process read interests by these aliases (see read_aliases) from now on, and by no others."""
    _aliases.clear()
    _aliases.update(aliases)


def aliases_in_use() -> list[str]:
    """What must not be stored as an interest, since it is what others are also called."""
    return list(_aliases)


class Interest(fields.String):
    """An interest, loaded in its normal form; an alias is loaded as what it stands for."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return interest_of(super()._deserialize(value, attr, data, **kwargs) or "")
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
