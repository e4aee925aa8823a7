"""What comes in and goes out where people say where they get their mail."""

from __future__ import annotations

from marshmallow import ValidationError, fields, validate

from chassis.schemas import Schema, Text, Tolerant
from notifications.email.model import is_address


def _is_address(text: str) -> None:
    if not is_address(text):
        raise ValidationError("Not an email address such as ana@example.org.")


class NewAddress(Schema):
    """Where somebody wants their mail."""

    address = Text(3, 254, required=True, validate=_is_address, metadata={"example": "ana@example.org"})


class Verification(Schema):
    """The code that was mailed."""

    code = Text(
        6,
        6,
        required=True,
        validate=validate.Regexp(r"^[0-9]{6}$", error="A code has six digits."),
        metadata={"example": "041592"},
    )


class AddressView(Schema):
    """An address, and whether it counts yet."""

    address = fields.String(required=True)
    verified = fields.Boolean(required=True)


class HeldMailbox(Schema):
    """Where a person gets mail."""

    address = fields.String(required=True, allow_none=True, metadata={"description": "The one that mail goes to."})
    wanted = fields.String(required=True, allow_none=True, metadata={"description": "One that was not verified yet."})
    bounces = fields.Integer(required=True, metadata={"description": "How often it refused mail, one after the other."})


class EmailData(Tolerant):
    """Of `groups.person.email_given`, which is handed to this service alone."""

    person_id = fields.String(required=True)
    address = fields.String(required=True, allow_none=True)
