"""What notices are made of, out of others' messages, and the message that one was posted."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from chassis.messages import Message
from chassis.schemas import Schema, Time, Tolerant
from notifications.notices.model import KINDS


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


class PersonId(fields.Field[str]):
    """A person of whom only the id counts: `{id, …}`, or the id alone."""

    default_error_messages = {"invalid": "Not a person."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found = value.get("id") if isinstance(value, dict) else value
        if not isinstance(found, str) or not found:
            raise self.make_error("invalid")
        return found


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


class MemberChangedData(Tolerant):
    """Of `groups.member.removed`, `.banned` and `.role_changed`."""

    group = fields.Nested(GroupNamed, required=True)
    person = PersonId(required=True)
    role = fields.String(load_default="member")
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)


class JoinData(Tolerant):
    """Of `groups.join.requested` and `.declined`."""

    group = fields.Nested(GroupNamed, required=True)
    person = fields.Nested(PersonNamed, required=True)
    answer = fields.String(load_default=None, allow_none=True)
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)


class ArchivedData(Tolerant):
    """Of `groups.group.archived`."""

    group = fields.Nested(GroupNamed, required=True)
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)


def _interests() -> fields.List:
    return fields.List(fields.String(), required=True, validate=validate.Length(min=1))


class WatchData(Tolerant):
    """Of `groups.watch.matched`."""

    group = fields.Nested(GroupNamed, required=True)
    person = PersonId(required=True)
    interests = _interests()


class DemandData(Tolerant):
    """Of `groups.demand.risen`."""

    interests = _interests()
    watchers = fields.Integer(required=True)
    people = fields.List(PersonId(), required=True)


class PromotionData(Tolerant):
    """Of `groups.promotion.sent`."""

    group = fields.Nested(GroupNamed, required=True)
    text = fields.String(required=True)
    people = fields.List(PersonId(), required=True)


class AskNamed(Tolerant):
    """How messages name an ask."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    kind = fields.String(load_default="other")


class AskData(Tolerant):
    """Of `groups.ask.opened` and `.resolved`, and of `groups.offer.made`, which says whose ask it is."""

    group = fields.Nested(GroupNamed, required=True)
    person = fields.Nested(PersonNamed, required=True)
    ask = fields.Nested(AskNamed, required=True)
    asker = PersonId(load_default=None, allow_none=True)
    thanked = fields.List(PersonId(), load_default=list, allow_none=True)


class EventData(Tolerant):
    """Of `events.event.scheduled`, `.changed` and `.cancelled`."""

    event = fields.Nested(EventNamed, required=True)
    group = fields.Nested(GroupNamed, required=True)
    by = fields.Nested(PersonDid, load_default=None, allow_none=True)
    changed = fields.List(fields.String(), load_default=list)
    reason = fields.String(load_default=None, allow_none=True)
    recurrence = fields.String(load_default=None, allow_none=True)
    tells_of = fields.List(fields.String(), load_default=list)
    told_with = fields.String(load_default=None, allow_none=True)


class DueData(Tolerant):
    """Of `events.event.due`."""

    event = fields.Nested(EventNamed, required=True)
    group = fields.Nested(GroupNamed, required=True)
    lead = fields.String(data_key="in", required=True)


class PromotedData(Tolerant):
    """Of `events.rsvp.promoted`."""

    event = fields.Nested(EventNamed, required=True)
    group = fields.Nested(GroupNamed, required=True)
    person = fields.Nested(PersonDid, required=True)


class Subject(Schema):
    """What a notice is about, and where to read it."""

    type = fields.String(
        required=True, metadata={"description": "`event`, `group`, `person`, `ask`, `demand` or `webhook`."}
    )
    id = fields.String(required=True)
    href = fields.String(required=True, metadata={"description": "The path of the resource."})


class AudienceSchema(Schema):
    """Who hears of a notice."""

    kind = fields.String(
        data_key="type",
        required=True,
        validate=validate.OneOf(["person", "people", "group", "organizers", "moderators", "event", "events", "going"]),
        metadata={
            "description": "`person`: that person; `people`: each of those; `group`: the members of the group;"
            " `organizers`: its organizers; `moderators`: these and its moderators; `event`: those who answered the event;"
            " `events`: any of these;"
            " `going`: those who are going to it."
        },
    )
    id = fields.String(metadata={"description": "Of the person, group or event."})
    ids = fields.List(fields.String(), metadata={"description": "Of the people or events, where there are several."})


class NoticePostedData(Schema):
    """One notice, without its words."""

    id = fields.String(data_key="notice_id", required=True)
    kind = fields.String(required=True, validate=validate.OneOf(list(KINDS)))
    audience = fields.Nested(AudienceSchema, required=True)
    subject = fields.Nested(Subject, required=True)


class NoticePosted(Message):
    """Somebody has a new notice: a person, several, some or all members of a group, or those who answered an event."""

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
