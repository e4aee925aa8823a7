"""What notices are made of, out of others' messages, and the message that one was posted."""

from __future__ import annotations

from marshmallow import fields, validate

from chassis.messages import Message
from chassis.schemas import Schema, Time, Tolerant
from notifications.notices.model import AUDIENCE_OF


class GroupNamed(Tolerant):
    """How messages name a group."""

    id = fields.String(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)


class PersonNamed(Tolerant):
    """How messages name a person."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)


class PersonDid(Tolerant):
    """Who did it."""

    id = fields.String(required=True)


class EventNamed(Tolerant):
    """How messages name an event, whatever more they show of it."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    starts_at = Time(required=True)
    time_zone = fields.String(required=True)


class JoinedData(Tolerant):
    """Of `groups.member.joined`."""

    group = fields.Nested(GroupNamed, required=True)
    person = fields.Nested(PersonNamed, required=True)
    role = fields.String(load_default="member")
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)


class EventData(Tolerant):
    """Of `events.event.scheduled`, `.changed` and `.cancelled`."""

    event = fields.Nested(EventNamed, required=True)
    group = fields.Nested(GroupNamed, required=True)
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)
    changed = fields.List(fields.String(), load_default=list)
    reason = fields.String(load_default=None, allow_none=True)


class PromotedData(Tolerant):
    """Of `events.rsvp.promoted`."""

    event = fields.Nested(EventNamed, required=True)
    group = fields.Nested(GroupNamed, required=True)
    person = fields.Nested(PersonDid, required=True)


class Subject(Schema):
    """What a notice is about, and where to read it."""

    type = fields.String(required=True, metadata={"description": "`event` or `person`."})
    id = fields.String(required=True)
    href = fields.String(required=True, metadata={"description": "The path of the resource."})


class AudienceSchema(Schema):
    """Who hears of a notice."""

    kind = fields.String(
        data_key="type",
        required=True,
        validate=validate.OneOf(["person", "group", "organizers", "event"]),
        metadata={
            "description": "`person`: that person; `group`: the members of the group; `organizers`: its organizers;"
            " `event`: those who answered the event."
        },
    )
    id = fields.String(required=True, metadata={"description": "Of the person, group or event."})


class NoticePostedData(Schema):
    """One notice, without its words."""

    id = fields.String(data_key="notice_id", required=True)
    kind = fields.String(required=True, validate=validate.OneOf(list(AUDIENCE_OF)))
    audience = fields.Nested(AudienceSchema, required=True)
    subject = fields.Nested(Subject, required=True)


class NoticePosted(Message):
    """Somebody has a new notice: a person, the members or organizers of a group, or those who answered an event."""

    type = "notifications.notice.posted.v1"
    data = NoticePostedData
    example = {
        "notice_id": "ntc_01JD8Z6M8Q2V5T7W9Y1A3C5E7G",
        "kind": "event.scheduled",
        "audience": {"type": "group", "id": "grp_01JD8Z6M8Q2V5T7W9Y1A3C5E7H"},
        "subject": {
            "type": "event",
            "id": "evt_01JD8Z6M8Q2V5T7W9Y1A3C5E7J",
            "href": "/v1/events/evt_01JD8Z6M8Q2V5T7W9Y1A3C5E7J",
        },
    }
