"""What a person gets when they ask for all that is held about them here."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Schema, Time, Tolerant
from chassis.vocabulary import GroupRef
from notifications.email.schemas import HeldMailbox
from notifications.mails.schemas import HeldDigest, HeldMail
from notifications.notices.schemas import Subject
from notifications.preferences.schemas import NoticePreferences
from notifications.webhooks.schemas import WebhookView


class PersonCalled(Tolerant):
    """What is kept of how a person is called."""

    id = fields.String(required=True)
    display_name = fields.String(required=True)


class ProfileData(Tolerant):
    """Of `groups.person.registered` and `.updated`."""

    person = fields.Nested(PersonCalled, required=True)
    time_zone = fields.String(load_default="UTC")
    locale = fields.String(load_default="en")


class HeldNotice(Schema):
    """A notice that was told the person by themselves, or of what they did."""

    id = fields.String(attribute="_id", required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    group = fields.Nested(GroupRef, required=True, allow_none=True)
    subject = fields.Nested(Subject, required=True)
    at = Time(required=True)


class HeldStanding(Schema):
    """How the person stands to a group or an event."""

    to = fields.String(required=True, metadata={"description": "The id of the group or event."})
    group = fields.String(required=True, metadata={"description": "The id of the group, or the event's group."})
    present = fields.Boolean(required=True, metadata={"description": "Whether they hear of it now."})
    since = Time(required=True, allow_none=True)
    role = fields.String(
        required=True, allow_none=True, metadata={"description": "In the group, or the last answer to the event."}
    )


class HeldReading(Schema):
    """What the person has read."""

    up_to = fields.String(required=True, metadata={"description": "This notice and all older ones; empty for none."})
    ids = fields.List(fields.String(), attribute="marks", required=True)


class HeldProfile(Schema):
    """What is kept of the person's profile, to write to them."""

    name = fields.String(required=True)
    time_zone = fields.String(required=True)
    locale = fields.String(required=True)


class Export(Schema):
    """All that notifications hold about a person. What went to a whole group is in the inbox."""

    person_id = fields.String(required=True)
    standings = fields.List(fields.Nested(HeldStanding), required=True)
    read = fields.Nested(HeldReading, required=True)
    preferences = fields.Nested(NoticePreferences, required=True)
    profile = fields.Nested(HeldProfile, required=True, allow_none=True)
    mailbox = fields.Nested(HeldMailbox, required=True)
    mails = fields.List(fields.Nested(HeldMail), required=True)
    digests = fields.List(fields.Nested(HeldDigest), required=True)
    notices = fields.List(fields.Nested(HeldNotice), required=True)
    webhooks = fields.List(fields.Nested(WebhookView), required=True)
