"""What the audiences need of the messages about groups, members, answers and people."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Tolerant


class IdOnly(Tolerant):
    """Whatever is named by its id."""

    id = fields.String(required=True)


class GroupSeen(Tolerant):
    """What is kept of a group."""

    id = fields.String(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    visibility = fields.String(load_default="public")


class GroupData(Tolerant):
    """Of `groups.group.founded` and `.updated`."""

    group = fields.Nested(GroupSeen, required=True)


class MemberData(Tolerant):
    """Of `groups.member.joined`, `.left`, `.removed`, `.banned` and `.role_changed`."""

    group = fields.Nested(IdOnly, required=True)
    person = fields.Nested(IdOnly, required=True)
    role = fields.String(load_default="member")


class PromotedData(Tolerant):
    """Of `events.rsvp.promoted`."""

    event = fields.Nested(IdOnly, required=True)
    group = fields.Nested(IdOnly, required=True)
    person = fields.Nested(IdOnly, required=True)


class AnswerData(PromotedData):
    """Of `events.rsvp.changed`."""

    status = fields.String(required=True)
    was = fields.String(load_default=None, allow_none=True)
    asked_again = fields.Boolean(load_default=False)


class ErasedData(Tolerant):
    """Of `groups.person.erased`."""

    person_id = fields.String(required=True)
