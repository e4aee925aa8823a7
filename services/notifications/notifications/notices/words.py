"""Texts in English that remember how they were made, so that they can be said again in another language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Made = str | dict[str, Any]
"""How a text was made, as it is kept: `{form, values}`, `{at, zone}` for a time, or the text itself, which somebody wrote."""


class Words(str):
    """An English text made of a `form` with `%(name)s` in it, in which `values` are filled in. It is a text as any other."""

    form: str
    values: Mapping[str, str]


class Moment(str):
    """A time on the clock of its place (`zone`, IANA), e.g. `Tuesday, 1 December 2026, 19:00 (America/New_York)`."""

    at: datetime
    zone: str


def say(form: str, **values: str) -> Words:
    """A text: the form with the values in their places. Forms are what translations are made of (gettext)."""
    words = Words(form % values)
    words.form, words.values = form, values
    return words


def form(text: str) -> str:
    """Marks a form that stands in a table, so that translators find it (gettext calls that N_)."""
    return text


def moment(at: datetime, zone: str) -> Moment:
    """A time on the clock of its place; in UTC where this machine's data does not know the zone yet."""
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local, zone = at.astimezone(UTC), "UTC"
    day = f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}"
    said = Moment(f"{day}, {local:%H:%M} ({zone})")
    said.at, said.zone = at, zone
    return said


def made(text: str) -> Made:
    """How a text was made, to be kept."""
    match text:
        case Words():
            return {"form": text.form, "values": {name: made(value) for name, value in text.values.items()}}
        case Moment():
            return {"at": text.at, "zone": text.zone}
        case _:
            return text


def remade(kept: Made) -> str:
    """The text that was made so."""
    if isinstance(kept, str):
        return kept
    if "at" in kept:
        return moment(kept["at"], kept["zone"])
    return say(kept["form"], **{name: remade(value) for name, value in kept["values"].items()})


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
