"""The endpoint for demand, and telling watchers how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chassis.endpoints import ANYONE, Call, endpoint
from chassis.messages import Received
from chassis.schemas import Page
from chassis.subscriptions import subscribe
from groups.demand import model
from groups.demand.schemas import (
    USUAL_KM,
    DemandPage,
    DemandQuery,
    DemandRisen,
    NothingNeeded,
    RisenRead,
)

PEOPLE_AT_ONCE = 200
"""How many people one message names: 500 with long names would be more than the 64 KiB that every broker takes."""


class DemandApi:
    """What people look for together, and nobody has founded yet."""

    store: Any

    @endpoint("GET", "/v1/demand", query=DemandQuery, returns=DemandPage, access=ANYONE)
    def list_demand(self, call: Call, query: dict[str, Any]) -> Page:
        """Sets of interests that people watch for and no public group serves, most wanted first.

        A group serves a set when it has all of its interests, wherever it is.
        """
        note_service(self.store, call)
        interests, limit, after = query["interest"], query["limit"], query.get("cursor")
        if "near" in query:
            within_km = query.get("within_km", USUAL_KM)
            found = self.store.demand.most_wanted_near(query["near"], within_km, interests, after, limit + 1)
        else:
            found = self.store.demand.most_wanted(interests, after, limit + 1)
        return Page.cut(found, limit, lambda one: [one["watchers"], one["_id"]])

    @subscribe("groups.group.founded.v1", data=NothingNeeded)
    def note_founded_service(self, message: Received) -> None:
        """Note what a new group serves."""
        note_service(self.store, message)

    @subscribe("groups.group.updated.v1", data=NothingNeeded)
    def note_updated_service(self, message: Received) -> None:
        """Note what a group serves since it was changed."""
        note_service(self.store, message)

    @subscribe("groups.group.archived.v1", data=NothingNeeded)
    def note_archived_service(self, message: Received) -> None:
        """Note what an archived group serves no more."""
        note_service(self.store, message)

    @subscribe("groups.demand.risen.v1", data=RisenRead)
    def tell_more_watchers(self, message: Received) -> None:
        """Go on telling those who watch for a set how many they are, where they are more than one message names."""
        people = message.data["people"]
        if len(people) < PEOPLE_AT_ONCE:
            return
        with self.store.transaction(message) as tx:
            demand = tx.demand.hold(message.data["interests"])
            if demand is not None:
                _tell(tx, demand, message.data["watchers"], people[-1]["id"])


# -- counting, and telling


def one_more(tx: Any, interests: Sequence[str], levels: Iterable[int]) -> int:
    """Count one more person who watches for a set; returns how many they are now.

    When they reach a level and no public group serves the set, all of them are told, once for each level.
    """
    demand = tx.demand.add(interests)
    level = model.level_reached(demand, levels)
    if demand.is_new or level is not None:
        group = tx.demand.group_for(interests)
        tx.demand.pass_on(demand.set, group)
        if level is not None and group is None:
            tx.demand.note_told(demand, level)
            _tell(tx, demand, demand.watchers, "")
    watchers: int = demand.watchers
    return watchers


def one_less(tx: Any, sets: Sequence[str]) -> None:
    """Count one person less who watches for each of these sets."""
    tx.demand.leave(sets)


def _tell(tx: Any, demand: model.Demand, watchers: int, after: str) -> None:
    """Tell those who watch for a set, from after a person on, as many as one message names; it brings on the next."""
    found = tx.watches.people_for(demand.set, after, PEOPLE_AT_ONCE)
    people = tx.people.references(found)
    if not people:
        return
    content = {
        "interests": demand.interests,
        "watchers": watchers,
        "people": [people[one] for one in found if one in people],
    }
    tx.publish(DemandRisen(content, subject=demand.id, sequence=demand.version, audience="person"))


# -- what is served


def note_service(store: Any, cause: Call | Received) -> None:
    """Note in the demand which sets groups serve since they were founded, changed or archived.

    Whoever reads the demand does that first, so that it says what is; messages see to it that little is left to do.
    """
    if not store.service_changes.due(cause.now):
        return
    with store.transaction(cause) as tx:
        changes = tx.service_changes.due(cause.now)
        tx.service_changes.remove(identifier for identifier, _ in changes)
        changed = {group for _, group in changes}
        groups = tx.groups.several(changed)
        for identifier in sorted(changed):
            group = groups.get(identifier)
            _note_group(tx, identifier, group.interests if group is not None and group.listed else [])


def _note_group(tx: Any, identifier: str, interests: Sequence[str]) -> None:
    lost = [one for one in tx.demand.served_by(identifier) if not set(one[1]).issubset(interests)]
    for wanted, needed in lost:
        tx.demand.pass_on(wanted, tx.demand.group_for(needed))
    if interests:
        tx.demand.serve(identifier, interests)
