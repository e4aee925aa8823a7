"""What comes in and goes out where people say what they want to hear of."""

from __future__ import annotations

import re
from datetime import time
from typing import Any

from marshmallow import fields, validate

from chassis.schemas import Flag, Schema
from notifications.notices.model import KINDS
from notifications.preferences.model import CADENCES, LEVELS, MOST_GROUPS, Preferences


class ClockTime(fields.Field[time]):
    """A time of the day, `22:00`."""

    default_error_messages = {"invalid": "Use hours and minutes such as 22:00."}
    pattern = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)

    def _serialize(self, value: time | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value:%H:%M}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> time:
        found = self.pattern.fullmatch(value) if isinstance(value, str) else None
        if not found:
            raise self.make_error("invalid")
        return time(int(found[1]), int(found[2]))


_KIND = validate.OneOf(list(KINDS), error="There is no such kind of notice.")
_GROUP = validate.Regexp(r"^grp_[0-7][0-9A-HJKMNP-TV-Z]{25}$(?!\n)", error="Not the id of a group.")
_EMAIL: dict[str, Any] = {
    "validate": validate.OneOf(CADENCES),
    "metadata": {"description": "`now`, in a `daily` or `weekly` digest at 08:00, or `off`."},
}
_INBOX: dict[str, Any] = {"metadata": {"description": "Whether it stands in the inbox and is shown live."}}
_LEVEL: dict[str, Any] = {
    "validate": validate.OneOf(LEVELS),
    "metadata": {"description": "How much to hear of the group, anywhere: `mute` is nothing."},
}


class WantedPatch(Schema):
    """How to hear of one kind of notice; null is as usual."""

    inbox = Flag(allow_none=True, **_INBOX)
    email = fields.String(allow_none=True, **_EMAIL)


class QuietHoursPatch(Schema):
    """From when to when, on the person's clock, no mail is sent."""

    begin = ClockTime(data_key="from", metadata={"example": "22:00"})
    end = ClockTime(data_key="to", metadata={"example": "07:00"})


class NoticePreferencesPatch(Schema):
    """A merge patch (RFC 7396) of what a person wants to hear of: null takes back what they said."""

    defaults = fields.Dict(
        keys=fields.String(validate=_KIND), values=fields.Nested(WantedPatch, allow_none=True), allow_none=True
    )
    groups = fields.Dict(
        keys=fields.String(validate=_GROUP),
        values=fields.String(allow_none=True, **_LEVEL),
        allow_none=True,
        metadata={"description": f"By the ids of groups, at most {MOST_GROUPS}."},
    )
    quiet_hours = fields.Nested(QuietHoursPatch, allow_none=True)


class Wanted(Schema):
    """How a person hears of one kind of notice."""

    inbox = fields.Boolean(required=True, **_INBOX)
    email = fields.String(required=True, **_EMAIL)


class QuietHoursView(Schema):
    """From when to when, on the person's clock, no mail is sent."""

    begin = ClockTime(required=True, data_key="from", metadata={"example": "22:00"})
    end = ClockTime(required=True, data_key="to", metadata={"example": "07:00"})


class NoticePreferences(Schema):
    """What a person wants to hear of, where, and when not."""

    defaults = fields.Dict(
        keys=fields.String(), values=fields.Nested(Wanted), required=True, metadata={"description": "Of all kinds."}
    )
    groups = fields.Dict(
        keys=fields.String(),
        values=fields.String(**_LEVEL),
        required=True,
        metadata={"description": "By the ids of groups; of others they hear `all`."},
    )
    quiet_hours = fields.Nested(QuietHoursView, required=True, allow_none=True)
    version = fields.Integer(required=True)


def shown(preferences: Preferences) -> dict[str, Any]:
    """Preferences as NoticePreferences shows them: with what is usual for the kinds of which nothing was said."""
    return {
        "defaults": {kind: {"inbox": preferences.inbox(kind), "email": preferences.email(kind)} for kind in KINDS},
        "groups": preferences.groups,
        "quiet_hours": preferences.quiet,
        "version": preferences.version,
    }
