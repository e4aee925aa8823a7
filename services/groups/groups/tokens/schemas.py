"""What comes in and goes out about API tokens."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from chassis.schemas import Integer, Schema, Text, Time, page_of

SCOPES = ("read", "write", "subscribe")


class Scopes(fields.List):
    """A set of scopes, each once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(validate=validate.OneOf(SCOPES)), validate=validate.Length(1, 3), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class NewToken(Schema):
    """What another system is to be allowed."""

    name = Text(1, 80, required=True)
    scopes = Scopes(required=True)
    expires_in_days = Integer(1, 3650, metadata={"description": "Left out, it holds until it is deleted."})


class TokenView(Schema):
    """An API token, without its secret."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    created_at = Time(required=True)
    expires_at = Time(required=True, allow_none=True)


class MadeToken(TokenView):
    """A new API token with its secret, which is shown this once."""

    token = fields.String(required=True)


TokensPage = page_of(TokenView)
