"""What is read of the messages about groups and their members."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Tolerant


class Id(Tolerant):
    """Whatever is named by its id."""

    id = fields.String(required=True)


class GroupRead(Tolerant):
    """A group: without a visibility it counts as private, to be on the safe side."""

    id = fields.String(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    visibility = fields.String(load_default="private")
    interests = fields.List(fields.String(), load_default=list)


class GroupData(Tolerant):
    """Of `groups.group.founded` and `.updated`."""

    group = fields.Nested(GroupRead, required=True)


class ArchivedData(Tolerant):
    """Of `groups.group.archived`."""

    group = fields.Nested(Id, required=True)


class MemberData(Tolerant):
    """Of `groups.member.joined`, `.left`, `.removed`, `.banned` and `.role_changed`."""

    group = fields.Nested(Id, required=True)
    person = fields.Nested(Id, required=True)
    role = fields.String(load_default="member", allow_none=True)
