"""Where a page of a list begins: after the last item of the page before, whatever was added meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.problems import MalformedRequest

NO_CURSOR = "cursor: Not a cursor of this list: use the `next` of the page before, with the same query."
Order = Sequence[tuple[str, int]]
"""Names of fields, first to last, each 1 (low first) or -1 (high first)."""


def beyond(order: Order, place: Sequence[Any] | None) -> dict[str, Any]:
    """The query for what comes after a place (a value for each field of the order, the last of them unique).

    Raises MalformedRequest for what is no place: numbers in places are not negative, and finite.
    """
    if place is None:
        return {}
    if not all(map(is_sound, place)):
        raise MalformedRequest(NO_CURSOR)
    choices: list[dict[str, Any]] = []
    same: dict[str, Any] = {}
    for (name, direction), value in zip(order, place, strict=True):
        choices.append({**same, name: {"$gt" if direction > 0 else "$lt": value}})
        same[name] = value
    first, direction = order[0]
    # The second condition says nothing new, but bounds the index scan.
    return {"$and": [{"$or": choices}, {first: {"$gte" if direction > 0 else "$lte": place[0]}}]}


def is_sound(value: Any) -> bool:
    """Whether the database can compare with this value, which may come from a cursor that somebody made up."""
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return not isinstance(value, int | float) or 0 <= value < 2**53


def moment(text: str) -> datetime:
    """A time in a cursor. Raises MalformedRequest."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedRequest(NO_CURSOR) from None
