"""What comes in, goes out and is published about promotions."""

from __future__ import annotations

from marshmallow import fields

from chassis.messages import Message
from chassis.schemas import Schema, Text, Tolerant
from chassis.vocabulary import GroupRef, PersonRef
from groups.members.schemas import ANA, BEN, GROUP


class NewPromotion(Schema):
    """What organizers say to people who may like their group."""

    text = Text(1, 500, lines=True, required=True)


class PromotionView(Schema):
    """How many people a promotion reaches, and how many it does not, since they received another one within a day."""

    id = fields.String(required=True)
    reach = fields.Integer(required=True)
    held_back = fields.Integer(required=True)


class SentData(Tolerant):
    """Of `groups.promotion.sent`, where its sender reads it."""

    promotion_id = fields.String(required=True)


# -- messages


class PromotionData(Schema):
    """Who hears of which group, and what its organizer says."""

    promotion_id = fields.String(required=True)
    group = fields.Nested(GroupRef, required=True)
    text = fields.String(required=True)
    people = fields.List(fields.Nested(PersonRef), required=True)


class PromotionSent(Message):
    """An organizer promotes a group to people who share its interests: one message for each 500 of them at most.

    Those who share most come first; nobody is in two messages of a promotion, nor in those of two promotions within a day.
    """

    type = "groups.promotion.sent.v1"
    data = PromotionData
    example = {
        "promotion_id": "prm_01JDCM0Y0G0000000000000000",
        "group": GROUP,
        "text": "We meet next week: come and see!",
        "people": [ANA, BEN],
    }
