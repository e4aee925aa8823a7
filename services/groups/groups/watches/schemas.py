"""What comes in, goes out and is published about watches."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from chassis.messages import Message
from chassis.schemas import Cursor, ListQuery, Number, Schema, Time, Tolerant, page_of
from chassis.vocabulary import GroupRef, Interests, Location, Near, PersonRef
from groups.groups.model import SCOPES

_TEXT = {"type": "string", "pattern": r"^\s*-?[0-9]{1,3}(\.[0-9]+)?\s*,\s*-?[0-9]{1,3}(\.[0-9]+)?\s*$"}
_OBJECT = {
    "type": "object",
    "required": ["lat", "lon"],
    "additionalProperties": False,
    "properties": {
        "lat": {"type": "number", "minimum": -90, "maximum": 90},
        "lon": {"type": "number", "minimum": -180, "maximum": 180},
    },
}
_LOCATION = Location()


class Point(fields.Field[dict[str, float]]):
    """`lat,lon`, as searches say it, or the location of a place as it is: loaded as `{lat, lon}`."""

    def __init__(self, **kwargs: Any) -> None:
        described = {"oneOf": [_TEXT, _OBJECT], "description": "`lat,lon`, or `{lat, lon}`; left out, one's own place."}
        super().__init__(metadata=described, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, float]:
        if isinstance(value, dict):
            location: dict[str, float] = _LOCATION.load(value)
            return location
        lat, lon = Near().deserialize(value)
        return {"lat": lat, "lon": lon}


class NewWatch(Schema):
    """What somebody wants to be told of."""

    interests = Interests(1, 10, required=True, metadata={"description": "A group must have all of them."})
    scope = fields.String(validate=validate.OneOf(SCOPES), metadata={"description": "Only groups of this scope."})
    near = Point()
    within_km = Number(
        1,
        20_000,
        metadata={"description": "How far local and regional groups may be; left out, 50 and 300."},
    )


class SeenWatch(Schema):
    """A watch, as its person sees it."""

    id = fields.String(required=True)
    interests = fields.List(fields.String(), required=True)
    scope = fields.String(required=True, allow_none=True)
    near = fields.Function(
        lambda watch: watch.near and "{lat},{lon}".format(**watch.near),
        required=True,
        metadata={"type": ["string", "null"], "description": "`lat,lon`"},
    )
    within_km = fields.Float(required=True, allow_none=True)
    created_at = Time(required=True)


class WatchView(SeenWatch):
    """A watch, and how many people watch for the same set of interests."""

    watchers = fields.Integer(required=True, metadata={"description": "How many people do, the caller among them."})

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The view of the pair of a Watch and its watchers."""
        watch, watchers = obj
        return {**_SEEN.dump(watch), "watchers": watchers}


class HeldWatch(SeenWatch):
    """A watch in an export, and the groups of which it was told."""

    told_of = fields.List(fields.String(), required=True, metadata={"description": "Ids of groups"})

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The view of the pair of a Watch and those groups."""
        if many:
            return [self.dump(one) for one in obj]
        watch, told_of = obj
        return {**_SEEN.dump(watch), "told_of": told_of}


_SEEN = SeenWatch()
WatchesPage = page_of(WatchView)


class WatchesQuery(ListQuery):
    """The caller's watches."""

    cursor = Cursor(str, metadata={"description": "The `next` of the page before."})


# -- messages


class GroupRead(Tolerant):
    """Of `groups.group.founded`: that it was is enough."""


class GroupChangedRead(Tolerant):
    """Of `groups.group.updated`."""

    changed = fields.List(fields.String(), required=True)


class WatchMatchedData(Schema):
    """Whose watch, for which interests, which group matches."""

    watch_id = fields.String(required=True)
    person = fields.Nested(PersonRef, required=True)
    group = fields.Nested(GroupRef, required=True)
    interests = fields.List(fields.String(), required=True)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """What it is given, which is JSON already: thousands are made at once, while calls wait."""
        return obj


class WatchMatched(Message):
    """A group matches a watch since it was founded, changed or made public; each watch is told of each group once."""

    type = "groups.watch.matched.v1"
    data = WatchMatchedData
    example = {
        "watch_id": "wch_01JDCM0Y0G0000000000000000",
        "person": {"id": "psn_01JDCM0Y0G0000000000000003", "handle": "dora", "display_name": "Dora"},
        "group": {"id": "grp_01JDCM0Y0G0000000000000000", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"},
        "interests": ["kittens", "bacon"],
    }
