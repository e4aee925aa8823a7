"""What comes in, goes out and is published about people."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import available_timezones

from marshmallow import ValidationError, fields, validate

from chassis.merge_patch import patch_of
from chassis.messages import Message
from chassis.schemas import Flag, Schema, Text, Time
from chassis.vocabulary import EventRef, Interests, Place
from groups.moderation.schemas import HeldReport
from groups.watches.schemas import HeldWatch

TIME_ZONES = available_timezones()
# The shape of a language tag (RFC 5646, section 2.1), as far as software commonly sends them.
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?", re.ASCII)


def _is_time_zone(name: str) -> None:
    if name not in TIME_ZONES:
        raise ValidationError("Not an IANA time zone such as America/New_York.")


def _is_locale(name: str) -> None:
    if not LOCALE.fullmatch(name):
        raise ValidationError("Not a language tag such as en or pt-BR.")


class Password(Text):
    """A new password: long enough to be worth hashing."""

    def __init__(self, minimum: int = 10, **kwargs: Any) -> None:
        super().__init__(minimum, 200, load_only=True, required=True, **kwargs)


class Profile(Schema):
    """What a person may say, and later change, about themselves."""

    display_name = Text(1, 80, required=True)
    email = fields.Email(validate=validate.Length(max=254), metadata={"description": "Seen by nobody else."})
    about = Text(0, 2000, lines=True, load_default="")
    background = Text(0, 80, load_default="", metadata={"description": 'Such as "government" or "science".'})
    interests = Interests(maximum=50, load_default=list)
    place = fields.Nested(Place)
    time_zone = Text(1, 64, load_default="UTC", validate=_is_time_zone, metadata={"example": "America/New_York"})
    locale = Text(2, 12, load_default="en", validate=_is_locale)


class NewPerson(Profile):
    """What it takes to register."""

    handle = Text(
        3,
        30,
        required=True,
        validate=validate.Regexp("^[a-z0-9_]{3,30}$", error="Use 3 to 30 of a to z, 0 to 9 and _."),
        metadata={"description": "How others find the person; never changes."},
    )
    password = Password()


class ChangedPerson(Profile):
    """All that a person may change, as it is after the change."""

    discoverable = Flag(load_default=True, metadata={"description": "Others may come across this person."})
    allow_promotions = Flag(load_default=True, metadata={"description": "Organizers may tell them of their group."})
    icebreakers = Flag(load_default=False, metadata={"description": "Show them, and to them, in icebreakers."})


PersonPatch = patch_of(ChangedPerson)


class PublicPlace(Schema):
    """Where a person is at home, as far as others may know."""

    name = fields.String(required=True)
    country = fields.String(required=True)


class PublicPerson(Schema):
    """A person as others see them."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)
    about = fields.String(required=True)
    background = fields.String(required=True)
    interests = fields.List(fields.String(), required=True)
    place = fields.Nested(PublicPlace, required=True, allow_none=True, attribute="public_place")
    joined_at = Time(required=True)


class OwnPerson(PublicPerson):
    """A person as they see themselves."""

    place = fields.Nested(Place, required=True, allow_none=True)
    email = fields.String(required=True, allow_none=True)
    time_zone = fields.String(required=True)
    locale = fields.String(required=True)
    discoverable = fields.Boolean(required=True)
    allow_promotions = fields.Boolean(required=True)
    icebreakers = fields.Boolean(required=True)
    updated_at = Time(required=True)
    version = fields.Integer(required=True)


class NewPassword(Schema):
    """A change of the password."""

    current = Text(1, 200, required=True, load_only=True)
    new = Password()


class HeldSession(Schema):
    """A session, as its person may see it."""

    id = fields.String(required=True)
    created_at = Time(required=True)
    refreshed_at = Time(required=True)
    expires_at = Time(required=True)


class HeldToken(Schema):
    """An API token, as its person may see it."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    created_at = Time(required=True)
    expires_at = Time(required=True, allow_none=True)


class Ended(Schema):
    """When and why somebody was removed or banned, or their ban was lifted."""

    at = Time(required=True)
    reason = fields.String(required=True, allow_none=True)


class InGroup(Schema):
    """Something in a group, as the person whom it concerns may see it."""

    group = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Its id; null for a private group that the person is not in (any more)"},
    )


class HeldMembership(InGroup):
    """A membership, as its person may see it."""

    role = fields.String(required=True)
    status = fields.String(required=True)
    joined_at = Time(required=True)
    answer = fields.String(allow_none=True, required=True)
    ended = fields.Nested(Ended, required=True, allow_none=True)


class HeldAsk(InGroup):
    """An ask, as its person may see it."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    kind = fields.String(required=True)
    status = fields.String(required=True)
    created_at = Time(required=True)


class HeldOffer(Schema):
    """An offer, as its person may see it."""

    id = fields.String(required=True)
    ask = fields.String(required=True)
    body = fields.String(required=True)
    created_at = Time(required=True)


class HeldPromotion(InGroup):
    """A promotion by the person."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    at = Time(required=True)


class HeldAttendance(InGroup):
    """An event that the person came to."""

    event = fields.Nested(EventRef, required=True)


class HeldEntry(InGroup):
    """What the person did in a group, or somebody did to them."""

    at = Time(required=True)
    action = fields.String(required=True)
    by_oneself = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)


class Export(Schema):
    """All that this service holds about a person."""

    person = fields.Nested(OwnPerson, required=True)
    sessions = fields.List(fields.Nested(HeldSession), required=True)
    tokens = fields.List(fields.Nested(HeldToken), required=True)
    memberships = fields.List(fields.Nested(HeldMembership), required=True)
    asks = fields.List(fields.Nested(HeldAsk), required=True)
    offers = fields.List(fields.Nested(HeldOffer), required=True)
    thanked_for = fields.List(fields.String(), required=True, metadata={"description": "Ids of asks that thank them"})
    attendances = fields.List(fields.Nested(HeldAttendance), required=True)
    promotions = fields.List(fields.Nested(HeldPromotion), required=True)
    promoted_at = Time(required=True, allow_none=True, metadata={"description": "When they received a promotion last"})
    reports = fields.List(fields.Nested(HeldReport), required=True, metadata={"description": "That they made"})
    reports_about = fields.List(
        fields.Nested(HeldReport), required=True, metadata={"description": "About them; by whom is not told"}
    )
    audit = fields.List(fields.Nested(HeldEntry), required=True)
    watches = fields.List(fields.Nested(HeldWatch), required=True)


# -- messages


class PersonData(Schema):
    """The person of the message."""

    id = fields.String(required=True)
    handle = fields.String(required=True)
    display_name = fields.String(required=True)


class ProfileData(Schema):
    """What others may know of a person."""

    person = fields.Nested(PersonData, required=True, attribute="reference")
    interests = fields.List(fields.String(), required=True)
    place = fields.Nested(PublicPlace, required=True, allow_none=True, attribute="public_place")
    background = fields.String(required=True)
    time_zone = fields.String(required=True)
    locale = fields.String(required=True)
    discoverable = fields.Boolean(required=True)
    icebreakers = fields.Boolean(required=True)


class ErasedData(Schema):
    """Whom to forget."""

    person_id = fields.String(required=True)
    handle = fields.String(required=True)


PROFILE: dict[str, Any] = {
    "person": {"id": "psn_01JDCM0Y0G0000000000000000", "handle": "ana", "display_name": "Ana"},
    "interests": ["kittens", "bacon"],
    "place": {"name": "Washington", "country": "US"},
    "background": "government",
    "time_zone": "America/New_York",
    "locale": "en",
    "discoverable": True,
    "icebreakers": False,
}


class PersonRegistered(Message):
    """A person registered."""

    type = "groups.person.registered.v1"
    data = ProfileData
    example = PROFILE


class EmailData(Schema):
    """Where a person wants their mail."""

    person_id = fields.String(required=True)
    address = fields.String(required=True, allow_none=True)


class EmailGiven(Message):
    """A person gave another email address, or none any more: handed to the service that mails, and told nobody else."""

    type = "groups.person.email_given.v1"
    data = EmailData
    example = {"person_id": "psn_01JDCM0Y0G0000000000000000", "address": "ana@example.org"}
    to = "notifications"


class PersonUpdated(Message):
    """A person changed their profile."""

    type = "groups.person.updated.v1"
    data = ProfileData
    example = {**PROFILE, "interests": ["kittens", "bacon", "hockey"]}


class PersonErased(Message):
    """A person erased themselves: whoever holds anything about them forgets it."""

    type = "groups.person.erased.v1"
    data = ErasedData
    example = {"person_id": "psn_01JDCM0Y0G0000000000000000", "handle": "ana"}
