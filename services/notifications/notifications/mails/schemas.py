"""What mails are made of out of messages, what a person gets of them in an export, and what is published."""

from __future__ import annotations

from marshmallow import fields, validate

from chassis.messages import Message
from chassis.schemas import Schema, Time, Tolerant


class PostedData(Tolerant):
    """Of `notifications.notice.posted`."""

    notice_id = fields.String(required=True)


class MoreData(Schema):
    """After whom to go on."""

    after = fields.String(required=True)


class MoreRead(Tolerant):
    """The same, where it is read."""

    after = fields.String(required=True)


class MoreToMail(Message):
    """A notice is mailed to the first of its audience; the rest follows. This service tells itself."""

    type = "notifications.notice.mailed_on.v1"
    data = MoreData
    example = {"after": "psn_01JDCM0Y0G0000000000000000/grp_01JDCM0Y0G0000000000000000"}
    to = "notifications"


class DeliveryFailedData(Schema):
    """Which way of telling somebody does not work, for what, and why."""

    channel = fields.String(required=True, validate=validate.OneOf(["email", "webhook"]))
    kind = fields.String(required=True, metadata={"description": "Of the notice, or the type of the message."})
    reason = fields.String(required=True)


class DeliveryFailed(Message):
    """Something that somebody should have been told could not be delivered, and is not tried any more."""

    type = "notifications.delivery.failed.v1"
    data = DeliveryFailedData
    example = {"channel": "email", "kind": "event.changed", "reason": "refused: 550 5.1.1"}


class HeldMail(Schema):
    """A mail to the person, of the last 30 days or still to be sent."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    created_at = Time(required=True)
    due_at = Time(required=True, allow_none=True)
    attempts = fields.Integer(required=True)
    state = fields.String(required=True, allow_none=True, metadata={"description": "What became of it."})
    reason = fields.String(required=True, allow_none=True)


class HeldDigest(Schema):
    """When the person's next digest is due."""

    rhythm = fields.String(required=True)
    due_at = Time(required=True)
    done = fields.String(required=True, metadata={"description": "The day or week of the last one."})
