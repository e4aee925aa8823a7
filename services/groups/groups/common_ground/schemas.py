"""What goes out about common ground."""

from __future__ import annotations

from marshmallow import fields

from chassis.schemas import Schema
from chassis.vocabulary import EventRef, GroupRef
from groups.common_ground.model import MOST


class CommonGround(Schema):
    """What two people share, as far as the caller may know."""

    interests = fields.List(fields.String(), required=True, metadata={"description": "The rarest first"})
    groups = fields.List(
        fields.Nested(GroupRef), required=True, metadata={"description": f"Joined last first, {MOST} at most"}
    )
    events_together = fields.List(
        fields.Nested(EventRef),
        required=True,
        metadata={"description": f"To which both came, the last first, {MOST} at most"},
    )
    openers = fields.List(fields.String(), required=True, metadata={"description": "Lines to begin to talk with"})
