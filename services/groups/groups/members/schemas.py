"""What comes in, goes out and is published about members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.messages import Message
from chassis.schemas import Cursor, ListQuery, Query, QueryFlag, Schema, Text, Time, page_of
from chassis.vocabulary import GroupRef, PersonRef
from groups.groups.model import ROLES, Group
from groups.groups.schemas import GroupView, group_view
from groups.people.model import Person

M = TypeVar("M", bound=Message)


class Joining(Schema):
    """What somebody who joins may say."""

    answer = Text(0, 1000, lines=True, metadata={"description": "Read by who lets new members in."})
    invitation = Text(
        1,
        100,
        metadata={
            "description": "The code of an invitation: with one that holds one is in at once. One that does not hold "
            "(any more) is as good as none."
        },
    )


class JoinedView(Schema):
    """What somebody is in the group now."""

    status = fields.String(required=True, validate=validate.OneOf(["active", "pending"]))
    role = fields.String(required=True, validate=validate.OneOf(ROLES))


class MemberView(Schema):
    """Somebody in a group."""

    person = fields.Nested(PersonRef, required=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    status = fields.String(required=True)
    joined_at = Time(required=True)


MembersPage = page_of(MemberView)


class MembersQuery(ListQuery):
    """Which members to list."""

    role = fields.String(validate=validate.OneOf(ROLES))
    status = fields.String(
        validate=validate.OneOf(["active", "pending", "banned"]),
        load_default="active",
        metadata={"description": "Others than `active` are for organizers and moderators."},
    )
    cursor = Cursor(int, str, str, metadata={"description": "The `next` of the page before."})


class MemberPatch(Schema):
    """A new role, or `status: "active"` to let somebody in who waits."""

    role = fields.String(validate=validate.OneOf(ROLES))
    status = fields.String(validate=validate.OneOf(["active"]))

    @validates_schema
    def _has_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Give either a role or a status.")


class RemovalQuery(Query):
    """How to remove somebody."""

    ban = QueryFlag(
        load_default=None,
        metadata={
            "description": "`true`: they cannot join (again), whether they are in the group or not. `false`: who is "
            "banned is not any more, and may join again."
        },
    )
    reason = Text(0, 500)


class MyGroup(GroupView):
    """A group that the caller is in, with their role."""

    role = fields.String(required=True, validate=validate.OneOf(ROLES))

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """See GroupView.dump."""
        return {**group_view(obj), "role": obj.viewer.role}


MyGroupsPage = page_of(MyGroup)


class MyGroupsQuery(ListQuery):
    """The caller's groups."""

    cursor = Cursor(str, str, metadata={"description": "The `next` of the page before."})


# -- messages


class MemberData(Schema):
    """Who, where and in which role; `by` is somebody else who did it."""

    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    by = fields.Nested(PersonRef)


class JoinData(Schema):
    """Who wants to join where, and what they say."""

    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)
    answer = fields.String(required=True, allow_none=True)


class DeclinedData(JoinData):
    """Who was declined where, and by whom."""

    by = fields.Nested(PersonRef)


GROUP = {"id": "grp_01JDCM0Y0G0000000000000000", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"}
ANA = {"id": "psn_01JDCM0Y0G0000000000000000", "handle": "ana", "display_name": "Ana"}
BEN = {"id": "psn_01JDCM0Y0G0000000000000001", "handle": "ben", "display_name": "Ben"}


class MemberJoined(Message):
    """A person became a member of a group; `by` let them in, where that was needed."""

    type = "groups.member.joined.v1"
    data = MemberData
    example = {"group": GROUP, "person": BEN, "role": "member"}


class MemberLeft(Message):
    """A member left a group; `role` is what they were."""

    type = "groups.member.left.v1"
    data = MemberData
    example = {"group": GROUP, "person": BEN, "role": "member"}


class MemberRemoved(Message):
    """A member was removed from a group; `role` is what they were."""

    type = "groups.member.removed.v1"
    data = MemberData
    example = {"group": GROUP, "person": BEN, "role": "member", "by": ANA}


class MemberBanned(Message):
    """Somebody was banned from a group: they are no member any more and cannot join again. `role` is what they were."""

    type = "groups.member.banned.v1"
    data = MemberData
    example = {"group": GROUP, "person": BEN, "role": "member", "by": ANA}


class MemberRoleChanged(Message):
    """A member has another role in a group: `role`. Without `by`, it fell to them as the last organizer is gone."""

    type = "groups.member.role_changed.v1"
    data = MemberData
    example = {"group": GROUP, "person": BEN, "role": "moderator", "by": ANA}


class JoinRequested(Message):
    """A person asks to join a group."""

    type = "groups.join.requested.v1"
    data = JoinData
    example = {"group": GROUP, "person": BEN, "answer": "I have two kittens."}


class JoinDeclined(Message):
    """A person who asked to join a group was declined."""

    type = "groups.join.declined.v1"
    data = DeclinedData
    example = {"group": GROUP, "person": BEN, "answer": "I have two kittens.", "by": ANA}


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody's coming, going or changing in a group, of which a message tells. It takes the group's version."""

    group: Group
    person: Person
    role: str
    by: dict[str, str] | None = None

    def as_(self, kind: type[M]) -> M:
        """The message of this kind."""
        content: dict[str, Any] = {"group": self.group.reference, "person": self.person.reference, "role": self.role}
        if self.by is not None and self.by["id"] != self.person.id:
            content["by"] = self.by
        return kind(content, subject=self.group.id, sequence=self.group.version, audience=self.group.audience)
