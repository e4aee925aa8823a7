"""What comes in, goes out and is published about asks and offers."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.messages import Message
from chassis.schemas import ListQuery, Schema, Text, Time, page_of
from chassis.vocabulary import GroupRef, PersonRef
from groups.asks.model import KINDS, OPEN, RESOLVED
from groups.members.schemas import ANA, BEN, GROUP

SOMEONE_WHO_LEFT = "null for someone who left"


class NewAsk(Schema):
    """What somebody needs."""

    title = Text(3, 120, required=True)
    body = Text(0, 5000, lines=True, load_default="", metadata={"description": "Markdown"})
    kind = fields.String(load_default="other", validate=validate.OneOf(KINDS))


class AskPatch(Schema):
    """That an ask is resolved, and who helped."""

    status = fields.String(validate=validate.OneOf([RESOLVED]))
    thanked = fields.List(
        Text(1, 30),
        allow_none=True,
        validate=validate.Length(0, 50),
        metadata={"description": "Handles of those who helped: members, or people who made an offer. For the asker."},
    )

    @validates_schema
    def _has_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("Give a status, or who is thanked.")


class AskView(Schema):
    """An ask, as members see it."""

    id = fields.String(required=True)
    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True, allow_none=True, metadata={"description": SOMEONE_WHO_LEFT})
    title = fields.String(required=True)
    body = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    status = fields.String(required=True, validate=validate.OneOf([OPEN, RESOLVED]))
    thanked = fields.List(fields.String(), required=True, metadata={"description": "Their handles"})
    offers = fields.Integer(required=True, metadata={"description": "How many offers there are"})
    created_at = Time(required=True)
    updated_at = Time(required=True)
    resolved_at = Time(required=True, allow_none=True)
    version = fields.Integer(required=True)


AsksPage = page_of(AskView)


class AsksQuery(ListQuery):
    """The asks of a group, newest first."""


class NewOffer(Schema):
    """How somebody can help."""

    body = Text(1, 5000, lines=True, required=True, metadata={"description": "Markdown"})


class OfferView(Schema):
    """An offer, as members see it."""

    id = fields.String(required=True)
    ask = fields.String(required=True)
    person = fields.Nested(PersonRef, required=True, allow_none=True, metadata={"description": SOMEONE_WHO_LEFT})
    body = fields.String(required=True)
    created_at = Time(required=True)


OffersPage = page_of(OfferView)


class OffersQuery(ListQuery):
    """The offers to an ask, oldest first."""


# -- messages


class AskRef(Schema):
    """How messages name an ask."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))


class AskData(Schema):
    """Who asks for what, in which group."""

    group = fields.Nested(GroupRef, required=True)
    person = fields.Nested(PersonRef, required=True)
    ask = fields.Nested(AskRef, required=True)


class ResolvedData(AskData):
    """Whose ask is resolved, and whom they thank; `by` is somebody else who resolved it."""

    thanked = fields.List(fields.Nested(PersonRef), required=True)
    by = fields.Nested(PersonRef)


class OfferData(AskData):
    """Who offers help, and to whom."""

    asker = fields.Nested(PersonRef)


ASK = {"id": "ask_01JDCM0Y0G0000000000000000", "title": "Who has a ladder?", "kind": "hands"}


class AskOpened(Message):
    """A member asks for help."""

    type = "groups.ask.opened.v1"
    data = AskData
    example = {"group": GROUP, "person": BEN, "ask": ASK}


class AskResolved(Message):
    """An ask has found its help.

    `thanked` are those whom the asker thanks by this message. Who thanks more people later is told of again, with these.
    """

    type = "groups.ask.resolved.v1"
    data = ResolvedData
    example = {"group": GROUP, "person": BEN, "ask": ASK, "thanked": [ANA]}


class OfferMade(Message):
    """A member offers help: `person` to `asker`."""

    type = "groups.offer.made.v1"
    data = OfferData
    example = {"group": GROUP, "person": ANA, "ask": ASK, "asker": BEN}
