"""What comes in, goes out and is published about demand."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.messages import Message
from chassis.schemas import Cursor, ListQuery, Schema, Tolerant, page_of
from chassis.vocabulary import Interest, Near, PersonRef

USUAL_KM = 50.0


class DemandQuery(ListQuery):
    """Which demand to list."""

    interest = fields.List(
        Interest(),
        load_default=list,
        validate=validate.Length(max=10),
        metadata={"description": "Repeat it for several: only sets that have all of them."},
    )
    near = Near(metadata={"description": "`lat,lon`: count only who watches near there."})
    within_km = fields.Float(
        validate=validate.Range(1, 20_000),
        metadata={"description": "How far from `near`; left out, 50. People are placed to about 10 km."},
    )
    cursor = Cursor(int, str, metadata={"description": "The `next` of the page before."})

    @validates_schema
    def _fits_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        if "near" not in data and "within_km" in data:
            raise ValidationError("Say `near` what.", "within_km")


class DemandView(Schema):
    """A set of interests that no public group serves, and how many people watch for it."""

    interests = fields.List(fields.String(), required=True)
    watchers = fields.Integer(required=True)


DemandPage = page_of(DemandView)


# -- messages


class PersonId(Tolerant):
    """Somebody who hears of it."""

    id = fields.String(required=True)


class RisenRead(Tolerant):
    """Of `groups.demand.risen`."""

    interests = fields.List(fields.String(), required=True)
    watchers = fields.Integer(required=True)
    people = fields.List(fields.Nested(PersonId), required=True, validate=validate.Length(1))


class NothingNeeded(Tolerant):
    """Of messages about groups: their subject is enough."""


class DemandRisenData(Schema):
    """For which interests, how many watch, and who of them is told by this message."""

    interests = fields.List(fields.String(), required=True)
    watchers = fields.Integer(required=True)
    people = fields.List(fields.Nested(PersonRef), required=True, validate=validate.Length(1, 500))


class DemandRisen(Message):
    """So many people watch for a set of interests that no public group serves, and all of them hear it.

    It is sent once for each level that the demand reaches. Where many people hear it, several messages follow one another, each
    with the next of them.
    """

    type = "groups.demand.risen.v1"
    data = DemandRisenData
    example = {
        "interests": ["bacon", "kittens"],
        "watchers": 3,
        "people": [
            {"id": "psn_01JDCM0Y0G0000000000000000", "handle": "ana", "display_name": "Ana"},
            {"id": "psn_01JDCM0Y0G0000000000000001", "handle": "ben", "display_name": "Ben"},
            {"id": "psn_01JDCM0Y0G0000000000000003", "handle": "dora", "display_name": "Dora"},
        ],
    }
