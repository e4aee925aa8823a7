"""Says of each thing that happened whom it is for and how it reads: one notice, whatever the size of its audience."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from chassis.ids import new_id
from notifications.audiences.model import MODERATOR, ORGANIZER, Audience, Events, People
from notifications.audiences.model import Kind as AudienceKind
from notifications.notices.words import form, moment, say

GROUP_ARCHIVED = "group.archived"
MEMBER_JOINED = "member.joined"
MEMBER_REMOVED = "member.removed"
MEMBER_BANNED = "member.banned"
MEMBER_ROLE_CHANGED = "member.role_changed"
JOIN_REQUESTED = "join.requested"
JOIN_APPROVED = "join.approved"
JOIN_DECLINED = "join.declined"
WATCH_MATCHED = "watch.matched"
DEMAND_RISEN = "demand.risen"
PROMOTION_SENT = "promotion.sent"
ASK_OPENED = "ask.opened"
ASK_RESOLVED = "ask.resolved"
OFFER_MADE = "offer.made"
EVENT_SCHEDULED = "event.scheduled"
EVENT_CHANGED = "event.changed"
EVENT_CANCELLED = "event.cancelled"
EVENT_DUE = "event.due"
RSVP_PROMOTED = "rsvp.promoted"
WEBHOOK_DISABLED = "webhook.disabled"

Cadence = Literal["now", "daily", "weekly", "off"]
"""When somebody is mailed what they hear of: at once, with others once a day or once a week, or never."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What holds for all notices of a kind; `email` unless a person prefers otherwise."""

    audience: AudienceKind
    email: Cadence
    highlight: bool = False
    """Whether it reaches those too who want no more than the highlights of the group that it concerns."""


# fmt: off
KINDS: Mapping[str, Kind] = {
    # what happened       who hears of it       by email  a highlight of its group
    GROUP_ARCHIVED:      Kind("group",      "daily",  highlight=True),
    MEMBER_JOINED:       Kind("organizers", "weekly"),
    MEMBER_REMOVED:      Kind("person",     "now",    highlight=True),
    MEMBER_BANNED:       Kind("person",     "now",    highlight=True),
    MEMBER_ROLE_CHANGED: Kind("person",     "now",    highlight=True),
    JOIN_REQUESTED:      Kind("moderators", "now",    highlight=True),
    JOIN_APPROVED:       Kind("person",     "now",    highlight=True),
    JOIN_DECLINED:       Kind("person",     "now",    highlight=True),
    WATCH_MATCHED:       Kind("person",     "now",    highlight=True),
    DEMAND_RISEN:        Kind("people",     "daily",  highlight=True),
    PROMOTION_SENT:      Kind("people",     "weekly"),
    ASK_OPENED:          Kind("group",      "daily"),
    ASK_RESOLVED:        Kind("people",     "daily",  highlight=True),
    OFFER_MADE:          Kind("person",     "now",    highlight=True),
    EVENT_SCHEDULED:     Kind("group",      "daily",  highlight=True),
    EVENT_CHANGED:       Kind("event",      "now",    highlight=True),
    EVENT_CANCELLED:     Kind("event",      "now",    highlight=True),
    EVENT_DUE:           Kind("going",      "now",    highlight=True),
    RSVP_PROMOTED:       Kind("person",     "now",    highlight=True),
    WEBHOOK_DISABLED:    Kind("person",     "now",    highlight=True),
}
# fmt: on
"""Who hears of what: all kinds of notice.

Of other messages nobody hears. A profile, a group's text and an answer are changed by those whom it concerns, or can be
seen where they are looked for; who leaves a group leaves quietly; who came to an event knows it.
"""

HIGHLIGHTS = frozenset(name for name, kind in KINDS.items() if kind.highlight)

FAREWELLS = frozenset({MEMBER_REMOVED, MEMBER_BANNED})
"""What a person is told of their own end in a group. They may read it even if the group is private."""

Named = dict[str, str]
"""A person or a group as messages name them."""

_WORDS = {
    "title": form("the title"),
    "description": form("the description"),
    "starts_at": form("the time"),
    "ends_at": form("the time"),
    "starts_at_local": form("the time"),
    "ends_at_local": form("the time"),
    "time_zone": form("the time"),
    "kind": form("how to take part"),
    "join_url": form("how to take part"),
    "venue": form("the place"),
    "capacity": form("the number of seats"),
    "max_guests": form("how many guests you may bring"),
    "visibility": form("who may see it"),
    "hosts": form("the hosts"),
    "rsvp_closes_at": form("until when to answer"),
}

_ROLES = {
    ORGANIZER: (
        form("You are an organizer of %(group)s now"),
        form("You can change the group, schedule events and give roles. It is in good hands."),
    ),
    MODERATOR: (
        form("You are a moderator of %(group)s now"),
        form("You can let people in and schedule events. Thank you for looking after it."),
    ),
}
_NO_ROLE = (form("You are a member of %(group)s now"), form("Thank you for what you have done for it."))

_TO_GO = {"PT24H": form("A day to go: %(event)s"), "PT1H": form("An hour to go: %(event)s")}
_SOON = form("Soon: %(event)s")

_ASKS = {
    "advice": form("Advice is wanted in %(group)s. Can you help?"),
    "introduction": form("An introduction is wanted in %(group)s. Can you help?"),
    "job": form("Help about a job is wanted in %(group)s. Can you help?"),
    "hands": form("Helping hands are wanted in %(group)s. Can you help?"),
}
_ANY_ASK = form("Help is wanted in %(group)s. Can you help?")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that an audience should hear of. `group` is `{id, slug, name}`, `subject` is `{type, id, href}`.

    `at` is when it happened; `id` sorts by when the notice was made, which is later, and much later after an outage.
    """

    kind: str
    audience: Audience | Events | People
    title: str
    body: str
    group: Named | None
    """None where there is no group yet."""
    subject: dict[str, str]
    at: datetime
    not_for: tuple[str, ...] = ()
    """Who did it or whom it is about, by id: they are not told what they know."""
    names: str | None = None
    """The person whom its words name, by id; one of those whom it is not for."""
    id: str = field(default_factory=lambda: new_id("ntc"))

    @property
    def people(self) -> frozenset[str]:
        """All the people who stand in it, by id."""
        match self.audience:
            case People(ids):
                return frozenset((*ids, *self.not_for))
            case Audience("person", person):
                return frozenset((person, *self.not_for))
            case _:
                return frozenset(self.not_for)

    def without(self, forgotten: Collection[str]) -> Notice | None:
        """The notice with nothing of these people in it; None where nothing is left to tell, or nobody to tell it."""
        if self.names in forgotten:
            return None
        rest = replace(self, not_for=tuple(one for one in self.not_for if one not in forgotten))
        match self.audience:
            case People(ids):
                left = tuple(one for one in ids if one not in forgotten)
                return replace(rest, audience=People(left)) if left else None
            case Audience("person", person) if person in forgotten:
                return None
            case _:
                return rest


Told = Literal["public", "group", "person"]
"""Who may know that a notice was posted."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to post; `told` is who may know that it was, `traceparent` what it follows from."""

    notice: Notice
    told: Told
    traceparent: str | None


def group_archived(group: Named, by: Named | None, at: datetime) -> Notice:
    """What the group's members hear when it was archived."""
    title = say("%(group)s is archived", group=group["name"])
    body = say("Nothing new happens there, and you can still read it. Thank you for having been part of it.")
    return _of_group(GROUP_ARCHIVED, Audience("group", group["id"]), title, body, group, at, not_for=_did(by))


def member_joined(group: Named, person: Named, role: str, by: Named | None, at: datetime) -> Notice | None:
    """What the group's organizers hear when a person joined, or was let in `by` one of them; nothing of its founder."""
    if role == ORGANIZER:
        return None
    return Notice(
        kind=MEMBER_JOINED,
        audience=Audience("organizers", group["id"]),
        title=say("%(person)s joined %(group)s", person=person["display_name"], group=group["name"]),
        body=say("@%(handle)s is a member now. Say hello!", handle=person["handle"]),
        group=group,
        subject=_person(person),
        at=at,
        not_for=(person["id"], *_did(by)),
        names=person["id"],
    )


def member_removed(group: Named, person: str, by: Named | None, at: datetime) -> Notice | None:
    """What a person hears when somebody else removed them from the group."""
    title = say("You are no longer a member of %(group)s", group=group["name"])
    body = say("Those who look after the group have ended your membership.")
    return _to_person(MEMBER_REMOVED, person, title, body, group, by, at)


def member_banned(group: Named, person: str, by: Named | None, at: datetime) -> Notice | None:
    """What a person hears when somebody else banned them from the group, whether they had been a member or not."""
    title = say("You cannot take part in %(group)s", group=group["name"])
    body = say("Those who look after the group have decided that you cannot be a member.")
    return _to_person(MEMBER_BANNED, person, title, body, group, by, at)


def member_role_changed(group: Named, person: str, role: str, by: Named | None, at: datetime) -> Notice | None:
    """What a person hears when they have another role in the group, unless they stepped down themselves.

    Nobody makes themselves an organizer: without `by` that fell to them because the last one is gone.
    """
    if by is None and role != ORGANIZER:
        return None
    title, body = _ROLES.get(role, _NO_ROLE)
    if by is None:
        body = form("Its last organizer is gone, and nobody has served it longer than you. It is in good hands.")
    return _to_person(MEMBER_ROLE_CHANGED, person, say(title, group=group["name"]), say(body), group, by, at)


def join_requested(group: Named, person: Named, answer: str | None, at: datetime) -> Notice:
    """What those who moderate the group hear when a person asks to join it, and says `answer`."""
    return Notice(
        kind=JOIN_REQUESTED,
        audience=Audience("moderators", group["id"]),
        title=say("%(person)s would like to join %(group)s", person=person["display_name"], group=group["name"]),
        body=answer or say("@%(handle)s is waiting to be let in.", handle=person["handle"]),
        group=group,
        subject=_person(person),
        at=at,
        not_for=(person["id"],),
        names=person["id"],
    )


def join_approved(group: Named, person: str, by: Named | None, at: datetime) -> Notice | None:
    """What a person hears when somebody let them in; nothing if they joined by themselves."""
    if by is None:
        return None
    title = say("Welcome to %(group)s", group=group["name"])
    return _to_person(JOIN_APPROVED, person, title, say("You are a member now. Say hello!"), group, by, at)


def join_declined(group: Named, person: str, by: Named | None, at: datetime) -> Notice | None:
    """What a person hears when they were not let in."""
    title = say("Your request to join %(group)s was declined", group=group["name"])
    body = say("There may be another group for what you love, and you can always found one.")
    return _to_person(JOIN_DECLINED, person, title, body, group, by, at)


def watch_matched(group: Named, person: str, interests: Sequence[str], at: datetime) -> Notice:
    """What a person hears when there is a group for what they watch for."""
    title = say("A group for %(interests)s: %(group)s", interests=_listed(interests), group=group["name"])
    body = say("It is what you have been looking for. Have a look!")
    return _of_group(WATCH_MATCHED, Audience("person", person), title, body, group, at)


def demand_risen(demand: str, interests: Sequence[str], watchers: int, people: Sequence[str], at: datetime) -> Notice:
    """What those who watch for a set of interests hear when so many do and there is no group; `demand` is its id."""
    if watchers == 1:
        title = say("1 person is looking for %(interests)s: found it?", interests=_listed(interests))
    else:
        many = {"watchers": str(watchers), "interests": _listed(interests)}
        title = say("%(watchers)s people are looking for %(interests)s: found it?", **many)
    return Notice(
        kind=DEMAND_RISEN,
        audience=People(tuple(people)),
        title=title,
        body=say("There is no such group yet. Found it, and all of them will hear."),
        group=None,
        subject={
            "type": "demand",
            "id": demand,
            "href": "/v1/demand?" + urlencode([("interest", one) for one in interests]),
        },
        at=at,
    )


def promotion_sent(group: Named, text: str, people: Sequence[str], at: datetime) -> Notice:
    """What people hear who share what the group is about: what its organizer has to say."""
    title = say("You may like %(group)s", group=group["name"])
    return _of_group(PROMOTION_SENT, People(tuple(people)), title, text, group, at)


def ask_opened(group: Named, person: Named, ask: Named, at: datetime) -> Notice:
    """What the group's members hear when one of them asks for help."""
    return Notice(
        kind=ASK_OPENED,
        audience=Audience("group", group["id"]),
        title=say("%(person)s asks: %(ask)s", person=person["display_name"], ask=ask["title"]),
        body=say(_ASKS.get(ask["kind"], _ANY_ASK), group=group["name"]),
        group=group,
        subject=_ask(ask),
        at=at,
        not_for=(person["id"],),
        names=person["id"],
    )


def offer_made(group: Named, person: Named, ask: Named, asker: str | None, at: datetime) -> Notice | None:
    """What the asker hears when a person offers help; nothing where the message does not say who asked."""
    if asker in (None, person["id"]):
        return None
    return Notice(
        kind=OFFER_MADE,
        audience=Audience("person", asker),
        title=say("%(person)s offers help: %(ask)s", person=person["display_name"], ask=ask["title"]),
        body=say("In %(group)s. Have a look, and thank those who helped.", group=group["name"]),
        group=group,
        subject=_ask(ask),
        at=at,
        not_for=(person["id"],),
        names=person["id"],
    )


def ask_resolved(group: Named, person: Named, ask: Named, thanked: Sequence[str], at: datetime) -> Notice:
    """What those hear whom the asker thanked for their help."""
    return Notice(
        kind=ASK_RESOLVED,
        audience=People(tuple(one for one in thanked if one != person["id"])),
        title=say("%(person)s thanks you: %(ask)s", person=person["display_name"], ask=ask["title"]),
        body=say("You helped somebody in %(group)s. That is what it is for.", group=group["name"]),
        group=group,
        subject=_ask(ask),
        at=at,
        not_for=(person["id"],),
        names=person["id"],
    )


def event_scheduled(
    group: Named, event: dict[str, Any], by: Named | None, at: datetime, recurrence: str | None = None
) -> Notice:
    """What the group's members hear when an event was scheduled, or a series, of which it is the first."""
    body = say("%(when)s, with %(group)s", when=_when(event), group=group["name"])
    if recurrence:
        body = say("%(first)s. It repeats %(often)s", first=body, often=_how_often(recurrence))
    return _of_event(
        EVENT_SCHEDULED,
        Audience("group", group["id"]),
        say("New: %(event)s", event=event["title"]),
        body,
        group,
        event,
        by,
        at,
    )


def event_changed(
    group: Named,
    event: dict[str, Any],
    changed: Sequence[str],
    by: Named | None,
    at: datetime,
    several: Sequence[str] = (),
) -> Notice:
    """What those who answered hear when something about the event changed, or about `several` (their ids) at once.

    `changed` are the names of its fields.
    """
    words = list(dict.fromkeys(_WORDS[name] for name in changed if name in _WORDS))
    body = say("It is now on %(when)s", when=_when(event, several))
    if words:
        named = _joined([say(word) for word in words])
        body = say("Changed: %(what)s. It is now on %(when)s", what=named, when=_when(event, several))
    title = say("Changed: %(event)s", event=event["title"])
    return _of_event(EVENT_CHANGED, _answered(event, several), title, body, group, event, by, at)


def event_cancelled(
    group: Named,
    event: dict[str, Any],
    reason: str | None,
    by: Named | None,
    at: datetime,
    several: Sequence[str] = (),
) -> Notice:
    """What those who answered hear when the event was cancelled, or `several` (their ids) at once."""
    body = say("It was to be on %(when)s", when=_when(event, several))
    if reason:
        body = say("It was to be on %(when)s. %(reason)s", when=_when(event, several), reason=reason)
    title = say("Cancelled: %(event)s", event=event["title"])
    return _of_event(EVENT_CANCELLED, _answered(event, several), title, body, group, event, by, at)


def event_due(group: Named, event: dict[str, Any], lead: str, at: datetime) -> Notice:
    """What those who are going hear when the event is near; `lead` as the message has it (ISO 8601), e.g. PT1H.

    After an outage it may be nearer than that: the body says when it is.
    """
    title = say(_TO_GO.get(lead, _SOON), event=event["title"])
    body = say("You are going. %(when)s, with %(group)s", when=_when(event), group=group["name"])
    return _of_event(EVENT_DUE, Audience("going", event["id"]), title, body, group, event, None, at)


def rsvp_promoted(group: Named, event: dict[str, Any], person: str, at: datetime) -> Notice:
    """What a person hears when a seat became free and is theirs."""
    body = say("A seat became free and it is yours: %(when)s", when=_when(event))
    title = say("You are in: %(event)s", event=event["title"])
    return _of_event(RSVP_PROMOTED, Audience("person", person), title, body, group, event, None, at)


def _answered(event: dict[str, Any], several: Sequence[str]) -> Audience | Events:
    return Events(tuple(several)) if several else Audience("event", event["id"])


def _how_often(recurrence: str) -> str:
    """How often a rule (RFC 5545) repeats, roughly: `every week`, `every 2 months`."""
    parts = dict(part.split("=", 1) for part in recurrence.split(";") if "=" in part)
    unit, interval = _UNITS.get(parts.get("FREQ", "")), parts.get("INTERVAL", "1")
    if unit is None:
        return say("from then on")
    once, often = unit
    return say(once) if interval == "1" else say(often, number=interval)


_UNITS = {
    "DAILY": (form("every day"), form("every %(number)s days")),
    "WEEKLY": (form("every week"), form("every %(number)s weeks")),
    "MONTHLY": (form("every month"), form("every %(number)s months")),
    "YEARLY": (form("every year"), form("every %(number)s years")),
}


def _of_event(
    kind: str,
    audience: Audience | Events,
    title: str,
    body: str,
    group: Named,
    event: dict[str, Any],
    by: Named | None,
    at: datetime,
) -> Notice:
    subject = {"type": "event", "id": event["id"], "href": f"/v1/events/{event['id']}"}
    return Notice(kind, audience, title, body, group, subject, at, _did(by))


def _to_person(
    kind: str, person: str, title: str, body: str, group: Named, by: Named | None, at: datetime
) -> Notice | None:
    """Something about the group that somebody else did to the person; what they did themselves they know."""
    if by is not None and by["id"] == person:
        return None
    return _of_group(kind, Audience("person", person), title, body, group, at)


def _of_group(
    kind: str,
    audience: Audience | People,
    title: str,
    body: str,
    group: Named,
    at: datetime,
    not_for: tuple[str, ...] = (),
) -> Notice:
    subject = {"type": "group", "id": group["id"], "href": f"/v1/groups/{group['id']}"}
    return Notice(kind, audience, title, body, group, subject, at, not_for)


def webhook_disabled(webhook: str, owner: str, url: str, reason: str, at: datetime) -> Notice:
    """What the owner of a webhook hears when nothing is pushed to it any more: `gone` or `failing`."""
    gone = say("Its endpoint said that it is gone (410).")
    why = gone if reason == "gone" else say("Nothing has arrived there for five days.")
    mend = say("%(why)s Mend its endpoint, then set the webhook's status to active, or delete it.", why=why)
    return Notice(
        kind=WEBHOOK_DISABLED,
        audience=Audience("person", owner),
        title=say("Your webhook to %(host)s is disabled", host=str(urlsplit(url).hostname)),
        body=mend,
        group=None,
        subject={"type": "webhook", "id": webhook, "href": f"/v1/webhooks/{webhook}"},
        at=at,
    )


def _person(person: Named) -> dict[str, str]:
    return {"type": "person", "id": person["id"], "href": f"/v1/people/{person['handle']}"}


def _ask(ask: Named) -> dict[str, str]:
    return {"type": "ask", "id": ask["id"], "href": f"/v1/asks/{ask['id']}"}


def _did(by: Named | None) -> tuple[str, ...]:
    return (by["id"],) if by else ()


def _listed(interests: Sequence[str]) -> str:
    """The interests as one says them: `kittens, hockey and bacon`."""
    *some, last = interests
    return say("%(some)s and %(last)s", some=", ".join(some), last=last) if some else last


def _joined(words: Sequence[str]) -> str:
    """Words one after the other: `the time, the place`."""
    first, *rest = words
    return say("%(first)s, %(rest)s", first=first, rest=_joined(rest)) if rest else first


def _when(event: dict[str, Any], several: Sequence[str] = ()) -> str:
    """The event's start, on the clock of its place; and how many more of its series there are."""
    at = moment(event["starts_at"], event["time_zone"])
    if len(several) < 2:
        return at
    return say("%(when)s (and %(more)s more of its series)", when=at, more=str(len(several) - 1))
