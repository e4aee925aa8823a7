"""What comes in and goes out about sessions."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Schema, Text, Time
from groups.people.schemas import OwnPerson


class Credentials(Schema):
    """Who wants to sign in."""

    handle = Text(1, 100, required=True)
    password = Text(1, 200, required=True, load_only=True)


class Refreshing(Schema):
    """What a session goes on by."""

    refresh_token = Text(1, 200, required=True, load_only=True)


class SignedIn(Schema):
    """A session's tokens (the names are those of RFC 6749, section 5.1) and its person."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds until the access token ends."})
    refresh_token = fields.String(required=True)
    person = fields.Nested(OwnPerson, required=True)


class Introspecting(Schema):
    """What the gateway asks about: an API token, or a session by its id."""

    token = Text(1, 200)
    session = Text(1, 200)


class CallerView(Schema):
    """On whose behalf a call with this token is made."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    session = fields.String(required=True, allow_none=True)


class Introspection(Schema):
    """Whether a token or session still holds, for whom, and until when."""

    active = fields.Boolean(required=True)
    caller = fields.Nested(CallerView, required=True, allow_none=True)
    expires_at = Time(required=True, allow_none=True)
