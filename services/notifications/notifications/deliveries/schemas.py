"""What goes out about deliveries."""

from __future__ import annotations

from marshmallow import fields, validate

from chassis.schemas import ListQuery, Schema, Time, page_of
from notifications.deliveries.model import STATUSES


class DeliveryView(Schema):
    """One message for one webhook, and what became of it."""

    id = fields.String(required=True)
    message = fields.String(
        required=True, metadata={"description": "The id of the message, `webhook-id` for the receiver."}
    )
    type = fields.String(required=True)
    status = fields.String(
        required=True,
        validate=validate.OneOf(STATUSES),
        metadata={
            "description": "`queued`: it is tried at `due_at`, for the first time or again; `delivered`; `failed`: no attempt"
            " is left; `withheld`: the owner may not see the message any more."
        },
    )
    attempts = fields.Integer(required=True)
    response_code = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The status of the last answer; null if none came."}
    )
    response_ms = fields.Integer(
        required=True, allow_none=True, metadata={"description": "How long the last attempt took, in milliseconds."}
    )
    problem = fields.String(required=True, allow_none=True, metadata={"description": "Why the last attempt failed."})
    attempted_at = Time(required=True, allow_none=True)
    due_at = Time(required=True, allow_none=True)
    created_at = Time(required=True)


DeliveriesPage = page_of(DeliveryView)
DeliveriesQuery = ListQuery
