"""What comes in and goes out where people read their notices."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.schemas import Cursor, ListQuery, QueryFlag, Schema, Time, page_of
from chassis.vocabulary import GroupRef
from notifications.inbox.model import MOST_COUNTED
from notifications.notices.model import KINDS
from notifications.notices.schemas import Subject

# The end is the very end, in Python too, where $ alone would let a line feed pass.
_FORM = r"^ntc_[0-7][0-9A-HJKMNP-TV-Z]{25}$(?!\n)"
NOTICE = validate.Regexp(_FORM, error="Not the id of a notice.")
_PLACE_ERROR = Cursor.default_error_messages["invalid"]


def is_notice(text: str) -> bool:
    """Whether a text is the id of a notice, of one that is there or not."""
    return re.match(_FORM, text) is not None


def _is_place(place: list[Any]) -> None:
    if not is_notice(place[0]):
        raise ValidationError(_PLACE_ERROR)


class InboxQuery(ListQuery):
    """What of the inbox to list."""

    unread = QueryFlag(load_default=False, metadata={"description": "Only what is not read."})
    kind = fields.String(validate=validate.OneOf(list(KINDS)), metadata={"description": "Only notices of this kind."})
    group = fields.String(metadata={"description": "Only what concerns this group (id or slug)."})
    cursor = Cursor(str, validate=_is_place, metadata={"description": "The `next` of the page before."})


class InboxItem(Schema):
    """A notice, as the person who hears it reads it."""

    id = fields.String(attribute="_id", required=True)
    kind = fields.String(required=True, validate=validate.OneOf(list(KINDS)))
    title = fields.String(required=True)
    body = fields.String(required=True)
    group = fields.Nested(
        GroupRef,
        required=True,
        allow_none=True,
        metadata={"description": "The group, named as it was then; null where there is none yet."},
    )
    subject = fields.Nested(Subject, required=True)
    at = Time(required=True, metadata={"description": "When it happened."})
    read = fields.Boolean(required=True)


InboxPage = page_of(InboxItem)


class Summary(Schema):
    """How much there is to read."""

    unread = fields.Integer(
        required=True,
        metadata={"description": f"Unread notices, counted up to {MOST_COUNTED}: that many means so many or more."},
    )


class ReadMark(Schema):
    """What was read: some notices, or all up to one."""

    ids = fields.List(
        fields.String(validate=NOTICE),
        validate=validate.Length(1, 100),
        metadata={"description": "These notices. What is not in the caller's inbox is passed over."},
    )
    up_to = fields.String(validate=NOTICE, metadata={"description": "This notice and all older ones."})

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("Give either `ids` or `up_to`.")
