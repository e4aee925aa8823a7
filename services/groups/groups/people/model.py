"""The rules about people: what a profile holds, how it changes, and what of it each may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from chassis.ids import new_id
from chassis.problems import Conflict


class HandleTaken(Conflict):
    """409: somebody has this handle already."""

    slug, title = "handle-taken", "This handle is taken"


@dataclass(slots=True)
class Person:
    """Somebody with a profile."""

    id: str
    handle: str
    display_name: str
    joined_at: datetime
    updated_at: datetime
    version: int
    email: str | None = None
    about: str = ""
    background: str = ""
    interests: list[str] = field(default_factory=list)
    place: dict[str, Any] | None = None
    time_zone: str = "UTC"
    locale: str = "en"
    discoverable: bool = True
    allow_promotions: bool = True
    icebreakers: bool = False

    @property
    def reference(self) -> dict[str, str]:
        """The person as lists and messages name them."""
        return {"id": self.id, "handle": self.handle, "display_name": self.display_name}

    @property
    def public_place(self) -> dict[str, str] | None:
        """Where they are at home as far as others may know: never the exact location."""
        return self.place and {name: self.place[name] for name in ("name", "country")}


CHANGEABLE = (
    "display_name",
    "email",
    "about",
    "background",
    "interests",
    "place",
    "time_zone",
    "locale",
    "discoverable",
    "allow_promotions",
    "icebreakers",
)
"""What a person may change about themselves; never the handle, by which others know them."""


def register(profile: Mapping[str, Any], now: datetime) -> Person:
    """A new person from a valid profile (`handle`, `display_name` and any of CHANGEABLE)."""
    known = {one.name for one in fields(Person)}
    given = {name: value for name, value in profile.items() if name in known}
    return Person(id=new_id("psn"), joined_at=now, updated_at=now, version=1, **given)


def changeable(person: Person) -> dict[str, Any]:
    """What a merge patch of the person applies to: what has a value, as JSON values."""
    return {name: value for name in CHANGEABLE if (value := getattr(person, name)) is not None}


def change(person: Person, wanted: Mapping[str, Any], now: datetime) -> Person:
    """The person with all of CHANGEABLE as `wanted` says, one version on; the same person when that changes nothing."""
    if all(getattr(person, name) == wanted.get(name) for name in CHANGEABLE):
        return person
    new: dict[str, Any] = {name: wanted.get(name) for name in CHANGEABLE}
    return replace(person, **new, updated_at=now, version=person.version + 1)


def audience(person: Person, before: Person | None = None) -> str:
    """Who may read the message about a person: all, if they may be discovered, or could be until now."""
    return "public" if person.discoverable or (before is not None and before.discoverable) else "person"
