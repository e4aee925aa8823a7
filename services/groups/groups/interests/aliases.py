"""Stores what aliases stand for wherever an alias is stored, from before operators said that it is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from chassis.timers import Tick
from chassis.vocabulary import interests_of
from groups.demand.api import one_more
from groups.demand.model import Demand
from groups.groups.api import save_changed as save_changed_group
from groups.groups.model import next_version
from groups.people.api import save_changed as save_changed_person
from groups.watches.model import set_of

AT_ONCE = 100
"""How much is looked for at a time."""
PEOPLE_AT_ONCE = 50
"""How many people of those who watch for the same are dealt with in one transaction."""


def read_anew(store: Any, tick: Tick, aliases: Sequence[str], levels: Iterable[int]) -> None:
    """Have groups, people, watches and demand that have any of these aliases have what it stands for.

    Each is a change like any other: it takes a version, is told, and counts. A crash leaves the rest to the next time.
    """
    while groups := store.groups.with_interests(aliases, AT_ONCE):
        for group in groups:
            _in_group(store, tick, group)
    while people := store.people.with_interests(aliases, AT_ONCE):
        for person in people:
            _in_person(store, tick, person)
    while wanted := store.demand.with_interests(aliases, AT_ONCE):
        for demand in wanted:
            while _in_watches(store, tick, demand, levels):
                pass


def _in_group(store: Any, tick: Tick, identifier: str) -> None:
    with store.transaction(tick, turn=identifier) as tx:
        before = tx.groups.seen_by(identifier, None)
        interests = interests_of(before.interests)
        if interests != before.interests:
            tx.groups.hold(before)
            after = next_version(before, interests=interests, updated_at=tick.now)
            save_changed_group(tx, before, after, ["interests"])


def _in_person(store: Any, tick: Tick, identifier: str) -> None:
    with store.transaction(tick) as tx:
        for before in tx.people.hold_all([identifier]).values():
            interests = interests_of(before.interests)
            if interests != before.interests:
                after = replace(before, interests=interests, updated_at=tick.now, version=before.version + 1)
                save_changed_person(tx, before, after)


def _in_watches(store: Any, tick: Tick, demand: Demand, levels: Iterable[int]) -> bool:
    """Have some people who watch for a set watch for what it stands for; whether there may be more of them.

    They are counted there, and hear of a level that they reach together, but not of one at which they were told before.
    """
    interests = interests_of(demand.interests)
    wanted = set_of(interests)
    with store.transaction(tick, turn=f"demand {wanted}") as tx:
        people = tx.watches.people_for(demand.set, "", PEOPLE_AT_ONCE)
        if not people:
            tx.demand.inherit(interests, demand.told)
            tx.demand.remove(demand.set)
            return False
        known = {one.person for one in tx.watches.of_people_for(wanted, people)}
        moved = tx.watches.of_people_for(demand.set, people)
        tx.watches.save_interests(replace(one, interests=interests_of(one.interests)) for one in moved)
        tx.demand.inherit(interests, demand.told)
        tx.demand.leave([demand.set], len(people))
        for person in people:
            if person not in known:
                one_more(tx, interests, levels)
    return True
