"""What comes in and goes out where people hear live, and what the gateway asks for them."""

from __future__ import annotations

from marshmallow import fields, validate

from chassis.schemas import Query, Schema
from notifications.inbox.schemas import NOTICE
from notifications.stream.model import TICKET_LIFETIME


class StreamQuery(Query):
    """How one may be let in who cannot send headers."""

    ticket = fields.String(
        validate=validate.Length(1, 100),
        metadata={"description": "From `POST /v1/stream/tickets`, for those who cannot send `Authorization`."},
    )


class Ticket(Schema):
    """What opens one stream."""

    ticket = fields.String(required=True)
    expires_in = fields.Integer(
        required=True, metadata={"description": f"Seconds; always {TICKET_LIFETIME.seconds}. It can be used once."}
    )


class Redeeming(Schema):
    """A ticket that somebody came with."""

    ticket = fields.String(required=True)


class Onwards(Schema):
    """What the gateway asks for all who listen: what is new after one notice, up to another one, and for which of these."""

    after = fields.String(required=True, allow_none=True, validate=NOTICE)
    until = fields.String(required=True, allow_none=True, validate=NOTICE)
    people = fields.List(fields.String(), required=True)


class Listeners(Schema):
    """For whom the gateway asks what they wait for."""

    people = fields.List(fields.String(), required=True)
