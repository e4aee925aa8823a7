"""Decides for what a person has to be woken, and whom a notice may concern: topics, which say nothing of what one may see.

An audience is its own topic, but for those of events: somebody has answered hundreds over the years, nearly all of them
past, in a few groups. So the events of a group are one topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from notifications.audiences.model import Audience, Standing, audience_named, audiences_of

TICKET_LIFETIME = timedelta(seconds=60)
"""How long a ticket can be used."""

OF_EVENTS = frozenset({"event", "going"})


def topics_of(person: str, standings: Iterable[Standing]) -> list[str]:
    """What a person waits for who stands so to groups and events."""
    group_of = {one.to: one.group for one in standings}
    found = {topic_of(key, group_of.get(audience_named(key).id)) for key in audiences_of(person, standings)}
    return sorted(found)


def topics_for(audiences: Iterable[str], group: str | None) -> list[str]:
    """Who may have to be woken for a notice to the audiences of these keys, that concerns this group."""
    return [topic_of(key, group) for key in audiences]


def topic_of(key: str, group: str | None) -> str:
    """The topic of the audience of this key; `group` is the one whose event it is, if it is one's."""
    return f"events:{group}" if audience_named(key).kind in OF_EVENTS else key


def own_topic(person: str) -> str:
    """The topic for which only this person waits."""
    return Audience("person", person).key
