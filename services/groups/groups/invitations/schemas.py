"""What comes in and goes out about invitations."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Integer, ListQuery, Schema, Time, page_of

MOST_USES = 1000
MOST_HOURS = 365 * 24


class NewInvitation(Schema):
    """How many may come by an invitation, and for how long."""

    max_uses = Integer(1, MOST_USES, load_default=1)
    expires_in_hours = Integer(1, MOST_HOURS, load_default=7 * 24)


class InvitationView(Schema):
    """An invitation, as organizers and moderators see it."""

    id = fields.String(required=True)
    code = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Hand it on to whom you invite. Null once the signing key has changed: it still lets "
            "people in, but cannot be shown any more."
        },
    )
    uses = fields.Integer(required=True, metadata={"description": "How many have come by it"})
    max_uses = fields.Integer(required=True)
    expires_at = Time(required=True)


InvitationsPage = page_of(InvitationView)


class InvitationsQuery(ListQuery):
    """The invitations of a group that have not expired, newest first."""
