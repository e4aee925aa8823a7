"""What comes in and goes out about webhooks."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from chassis.schemas import ListQuery, Schema, Text, Time, page_of
from notifications.webhooks.model import ACTIVE, DISABLED, LONGEST_URL, MOST_TYPES, PATTERN, REASONS

_STATUS = validate.OneOf([ACTIVE, DISABLED])


def _url(**options: Any) -> Text:
    return Text(
        1,
        LONGEST_URL,
        metadata={"description": "Where to push: https, or http to what the operator allows."},
        **options,
    )


class Types(fields.List):
    """Patterns of types of messages, each once."""

    def __init__(self, **options: Any) -> None:
        kind = fields.String(
            validate=validate.Regexp(
                PATTERN, error="Use a type such as groups.member.joined.v1, or a pattern such as groups.*."
            )
        )
        description = (
            "Types without `commonground.`; `*` stands for a word, and at the end for all that follow. Without a version"
            " any is meant."
        )
        super().__init__(
            kind, validate=validate.Length(1, MOST_TYPES), metadata={"description": description}, **options
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class NewWebhook(Schema):
    """What is to be pushed where."""

    url = _url(required=True)
    types = Types(required=True)
    group = Text(1, 100, metadata={"description": "Only messages about this group (id or slug)."})


class WebhookPatch(Schema):
    """What of a webhook is to change."""

    url = _url()
    types = Types()
    group = Text(
        1, 100, allow_none=True, metadata={"description": "Only messages about this group (id or slug); null for all."}
    )
    status = fields.String(validate=_STATUS, metadata={"description": "`active` also ends the count of failures."})


class WebhookView(Schema):
    """A webhook, as its owner sees it, without its secret."""

    id = fields.String(required=True)
    url = fields.String(required=True)
    types = fields.List(fields.String(), required=True)
    group = fields.String(
        required=True, allow_none=True, metadata={"description": "The id of the group, or null for all."}
    )
    status = fields.String(required=True, validate=_STATUS)
    reason = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([*REASONS, None]),
        metadata={
            "description": "Why it is disabled. `gone`: its endpoint answered 410; `failing`: nothing had arrived for five"
            " days; `by_owner`."
        },
    )
    disabled_at = Time(required=True, allow_none=True)
    created_at = Time(required=True)
    updated_at = Time(required=True)
    version = fields.Integer(required=True)


class MadeWebhook(WebhookView):
    """A new webhook with its secret, which is shown this once."""

    secret = fields.String(required=True, metadata={"description": "`whsec_…`: what signatures are checked with."})


class NewSecret(Schema):
    """A new secret, which is shown this once."""

    secret = fields.String(required=True)
    previous_until = Time(
        required=True, metadata={"description": "Until then each message is signed with the secret before, too."}
    )


WebhooksPage = page_of(WebhookView)
WebhooksQuery = ListQuery
