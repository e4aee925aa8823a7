"""What comes in and goes out about searches."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.schemas import Cursor, ListQuery, QueryFlag, Schema, Text, page_of
from chassis.vocabulary import Interest, Near
from groups.groups.model import SCOPES
from groups.groups.schemas import GroupView, group_view


class SearchQuery(ListQuery):
    """What somebody looks for."""

    interest = fields.List(
        Interest(),
        load_default=list,
        validate=validate.Length(max=15),
        metadata={"description": "Repeat it for several: a group must have all of them, unless `match=any`."},
    )
    match = fields.String(load_default="all", validate=validate.OneOf(["all", "any"]))
    scope = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)), load_default=list, validate=validate.Length(max=4)
    )
    near = Near(metadata={"description": "`lat,lon`: local and regional groups in reach of it, and national ones."})
    within_km = fields.Float(
        validate=validate.Range(1, 20_000),
        metadata={"description": "How far from `near`; left out, 50 for local and 300 for regional groups."},
    )
    country = Text(2, 2, validate=validate.Regexp("^[A-Z]{2}$", error="Use ISO 3166-1 alpha-2, e.g. US."))
    q = fields.String(
        load_default="",
        validate=validate.Length(max=200),
        metadata={"description": "Words in name, summary, interests"},
    )
    widen = QueryFlag(
        load_default=False,
        metadata={
            "description": "Begin with local groups; when there are none go on to regional, national, virtual ones."
        },
    )
    sort = fields.String(
        load_default="best",
        validate=validate.OneOf(["best", "newest", "largest", "nearest"]),
        metadata={"description": "best: who shares more first, then nearer, larger, newer ones."},
    )
    cursor = Cursor(str, str, list, metadata={"description": "The `next` of the page before."})

    @validates_schema
    def _fits_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        if "near" not in data and data.get("sort") == "nearest":
            raise ValidationError("To find the nearest, say `near` what.", "sort")
        if "near" not in data and "within_km" in data:
            raise ValidationError("Say `near` what.", "within_km")


class MatchView(Schema):
    """How a group fits the search."""

    shared = fields.List(fields.String(), required=True)
    missing = fields.List(fields.String(), required=True)
    distance_km = fields.Float(required=True, allow_none=True)


class FoundGroup(GroupView):
    """A group that a search found; it is dumped from the pair of a Group and its Match."""

    match = fields.Nested(MatchView, required=True)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """See GroupView.dump."""
        group, match = obj
        view = {"shared": match.shared, "missing": match.missing, "distance_km": match.distance_km}
        return {**group_view(group), "match": view}


class NobodyYet(Schema):
    """What an empty search says: how many others watch for the same, and what comes closest."""

    watchers = fields.Integer(required=True)
    closest = fields.List(fields.Nested(FoundGroup), required=True)


FoundGroupsPage = page_of(
    FoundGroup,
    scope_reached=fields.String(metadata={"description": "With `widen`: how far the search went."}),
    nobody_yet=fields.Nested(NobodyYet, metadata={"description": "When nothing was found."}),
)
