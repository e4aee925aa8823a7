"""What comes in, goes out and is published about groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.merge_patch import patch_of
from chassis.messages import Message
from chassis.schemas import Integer, Schema, Text, Time, rfc3339
from chassis.vocabulary import GroupRef, Interests, Place
from groups.groups.model import FIELDS, JOIN_POLICIES, ROLES, SCOPES, VISIBILITIES, Group


class AskAfter(Schema):
    """How warm a member must be before asking for help."""

    days = Integer(0, 3650, load_default=0, metadata={"description": "Days of membership"})
    events = Integer(0, 1000, load_default=0, metadata={"description": "Events attended"})


def _needs_no_warm_up() -> dict[str, int]:
    return {"days": 0, "events": 0}


class NewGroup(Schema):
    """What organizers say of a group; all of it may change."""

    name = Text(3, 80, required=True)
    interests = Interests(1, 15, required=True, metadata={"description": "All of them together are what it is about."})
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    summary = Text(0, 200, load_default="")
    description = Text(0, 10_000, lines=True, load_default="", metadata={"description": "Markdown"})
    place = fields.Nested(Place, load_default=None, metadata={"description": "Required unless the scope is virtual."})
    join_policy = fields.String(load_default="open", validate=validate.OneOf(JOIN_POLICIES))
    visibility = fields.String(load_default="public", validate=validate.OneOf(VISIBILITIES))
    rules = Text(0, 5000, lines=True, load_default="", metadata={"description": "Markdown"})
    ask_after = fields.Nested(AskAfter, load_default=_needs_no_warm_up)

    @validates_schema
    def _has_a_place(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data.get("scope") != "virtual" and data.get("place") is None:
            raise ValidationError("A group needs a place, unless its scope is virtual.", "place")


GroupPatch = patch_of(NewGroup)


class ViewerView(Schema):
    """What the caller is in the group."""

    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    status = fields.String(required=True)


class PublicGroup(Schema):
    """A group as everybody who may know of it sees it."""

    id = fields.String(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    summary = fields.String(required=True)
    description = fields.String(required=True)
    interests = fields.List(fields.String(), required=True)
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    place = fields.Nested(Place, required=True, allow_none=True)
    join_policy = fields.String(required=True, validate=validate.OneOf(JOIN_POLICIES))
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    rules = fields.String(required=True)
    ask_after = fields.Nested(AskAfter, required=True)
    status = fields.String(required=True, validate=validate.OneOf(["active", "archived"]))
    member_count = fields.Integer(required=True)
    organizers = fields.List(fields.String(), required=True, metadata={"description": "Their handles"})
    created_at = Time(required=True)
    updated_at = Time(required=True)
    version = fields.Integer(required=True)


class GroupView(PublicGroup):
    """A group as the caller sees it."""

    viewer = fields.Nested(ViewerView, required=True, allow_none=True)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """As the schema says, without asking each of its fields, which takes thirty times as long.

        What a Group holds are JSON values already, but for the two times and the viewer. A test compares both ways.
        """
        if many:
            return [group_view(one) for one in obj]
        return group_view(obj)


def group_view(group: Group) -> dict[str, Any]:
    """A group as JSON values."""
    view = {name: getattr(group, name) for name in FIELDS}
    view["created_at"] = rfc3339(group.created_at)
    view["updated_at"] = rfc3339(group.updated_at)
    view["viewer"] = group.viewer and {"role": group.viewer.role, "status": group.viewer.status}
    return view


# -- messages


class GroupFoundedData(Schema):
    """The group as everybody who may know of it sees it."""

    group = fields.Nested(PublicGroup, required=True)


class GroupUpdatedData(GroupFoundedData):
    """The group as it is now, and what changed."""

    changed = fields.List(fields.String(), required=True)


class GroupArchivedData(Schema):
    """The group that is archived."""

    group = fields.Nested(GroupRef, required=True)


EXAMPLE: dict[str, Any] = {
    "id": "grp_01JDCM0Y0G0000000000000000",
    "slug": "kittens-and-bacon",
    "name": "Kittens and Bacon",
    "summary": "For people who like both",
    "description": "We meet each month.",
    "interests": ["kittens", "bacon"],
    "scope": "local",
    "place": {"name": "Washington", "country": "US", "location": {"lat": 38.9, "lon": -77.03}},
    "join_policy": "open",
    "visibility": "public",
    "rules": "Be kind.",
    "ask_after": {"days": 0, "events": 0},
    "status": "active",
    "member_count": 1,
    "organizers": ["ana"],
    "created_at": "2026-11-23T18:00:00Z",
    "updated_at": "2026-11-23T18:00:00Z",
    "version": 1,
}


class GroupFounded(Message):
    """Somebody founded a group; `groups.member.joined` follows, and says who."""

    type = "groups.group.founded.v1"
    data = GroupFoundedData
    example = {"group": EXAMPLE}


class GroupUpdated(Message):
    """An organizer changed a group.

    When a public group stops being public, the last message that the public reads of it shows the group as it was, but
    for its `visibility`.
    """

    type = "groups.group.updated.v1"
    data = GroupUpdatedData
    example = {"group": {**EXAMPLE, "summary": "For people who like both, together"}, "changed": ["summary"]}


class GroupArchived(Message):
    """A group was archived: it is read-only, and what it had planned does not take place."""

    type = "groups.group.archived.v1"
    data = GroupArchivedData
    example = {"group": {"id": EXAMPLE["id"], "slug": EXAMPLE["slug"], "name": EXAMPLE["name"]}}
