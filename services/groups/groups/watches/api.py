"""Endpoints for watches, and telling watchers of the groups that match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.inbox import AlreadyDone
from chassis.messages import Received
from chassis.problems import Conflict, NotFound
from chassis.schemas import Page
from chassis.subscriptions import subscribe
from groups.demand.api import one_less, one_more
from groups.people.model import Person
from groups.watches import model
from groups.watches.schemas import (
    GroupChangedRead,
    GroupRead,
    NewWatch,
    WatchesPage,
    WatchesQuery,
    WatchMatched,
    WatchView,
)

AT_ONCE = 50
"""How many watches one transaction looks at. More would keep calls waiting while their messages are made."""
DECIDING = {"interests", "scope", "place", "visibility"}
"""What of a group decides which watches it matches."""


class WatchesApi:
    """Standing searches: tell me when there is a group for this."""

    store: Any
    settings: Any

    @endpoint(
        "POST",
        "/v1/watches",
        body=NewWatch,
        returns=WatchView,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(Conflict,),
    )
    def watch(self, call: Call, body: dict[str, Any]) -> tuple[model.Watch, int]:
        """Watch for groups that have all of some interests.

        The caller is told when such a group is founded, changed into one, or made public, and its scope reaches them:
        local and regional groups by their distance from `near`, else from the caller's place; national ones by the
        country of that place; virtual ones always. Groups that match already are found by a search.
        """
        # All who watch for the same are counted in one place.
        with self.store.transaction(call, turn=f"demand {model.set_of(body['interests'])}") as tx:
            person = tx.people.hold(call.caller.id)
            model.check_not_too_many(tx.watches.count(person.id))
            watch = model.watch(person, body, call.now)
            is_new = not tx.watches.watches_for(watch.set, person.id)
            tx.watches.add(watch)
            if is_new:
                watchers = one_more(tx, watch.interests, self.settings.demand_levels)
            else:
                watchers = tx.demand.watchers([watch.set])[watch.set]
        return watch, watchers

    @endpoint("GET", "/v1/watches", query=WatchesQuery, returns=WatchesPage, access=SIGNED_IN)
    def list_watches(self, call: Call, query: dict[str, Any]) -> Page:
        """The caller's watches, the newest first."""
        (before,) = query.get("cursor") or (None,)
        found = self.store.watches.of(call.caller.id, before, query["limit"] + 1)
        page = Page.cut(found, query["limit"], lambda watch: [watch.id])
        watchers = self.store.demand.watchers(watch.set for watch in page.items)
        page.items = [(watch, watchers.get(watch.set, 1)) for watch in page.items]
        return page

    @endpoint("DELETE", "/v1/watches/{watch}", status=204, access=SIGNED_IN, problems=(NotFound,))
    def delete_watch(self, call: Call, watch: str) -> None:
        """Watch no more."""
        with self.store.transaction(call) as tx:
            person = tx.people.hold(call.caller.id)
            taken = tx.watches.take(watch, person.id)
            tx.matches.remove([taken.id])
            if not tx.watches.watches_for(taken.set, person.id):
                one_less(tx, [taken.set])

    @subscribe("groups.group.founded.v1", data=GroupRead)
    def match_founded_group(self, message: Received) -> None:
        """Tell the watchers whom a new group matches."""
        match(self.store, message)

    @subscribe("groups.group.updated.v1", data=GroupChangedRead)
    def match_updated_group(self, message: Received) -> None:
        """Tell the watchers whom a group matches since it was changed or made public."""
        if DECIDING.intersection(message.data["changed"]):
            match(self.store, message)


# -- matching


def match(store: Any, message: Received) -> None:
    """Tell watchers of the group of a message, chunk by chunk; each is told once, whatever is done twice.

    What counts is the group as it is now, and as it was when watchers were told of it last: whom it matched then knows
    of it, or finds it by a search.
    """
    group = store.groups.seen_by(message.subject, None)
    version, before = store.matched_groups.find(message.subject)
    if group is None or version >= message.sequence:
        return
    now = model.aspect_of(group)
    for chunk in _chunks(store, now):
        found = [watch.id for watch in chunk if model.newly_matches(watch, now, before)]
        if not found:
            continue
        try:
            done = f"{message.consumer}/{group.version}/{chunk[-1].id}"
            # Groups that are matched at the same time mostly match the same watches.
            with store.transaction(replace(message, consumer=done), turn="matching") as tx:
                _tell(tx, group.id, found, before)
        except AlreadyDone:
            continue
    with store.transaction(message) as tx:
        tx.matched_groups.save(group.id, group.version, now)


def _chunks(store: Any, aspect: model.Aspect | None) -> Iterator[Sequence[model.Watch]]:
    """Watches for sets of interests that a group has."""
    if aspect is None:
        return
    sets = store.demand.sets_within(sorted(aspect.interests))
    after = None
    while chunk := store.watches.of_sets(sets, after, AT_ONCE):
        yield chunk
        after = (chunk[-1].set, chunk[-1].person, chunk[-1].id)


def _tell(tx: Any, identifier: str, watches: Sequence[str], before: model.Aspect | None) -> None:
    """Tell watchers of a group, but for those who were told, and those who were or are something in it."""
    group = tx.groups.seen_by(identifier, None)
    now = model.aspect_of(group)
    told = tx.matches.told(watches, group.id)
    held = tx.watches.hold(one for one in watches if one not in told)
    fresh = [watch for watch in held if model.newly_matches(watch, now, before)]
    people = tx.people.references({watch.person for watch in fresh})
    known = tx.members.of_people(group.id, people)
    strangers = {one for one in people if one not in known and people[one]["handle"] not in group.organizers}
    told_now = [watch for watch in fresh if watch.person in people]
    if told_now:
        tx.matches.add([watch.id for watch in told_now], group.id)
    for watch in told_now:
        if watch.person not in strangers:
            continue
        content = {
            "watch_id": watch.id,
            "person": people[watch.person],
            "group": group.reference,
            "interests": watch.interests,
        }
        tx.publish(WatchMatched(content, subject=watch.id, sequence=watch.version, audience="person"))


# -- what happens to people


def move_watches(tx: Any, before: Person, after: Person) -> None:
    """Have a person's watches look from where the person is at home now."""
    if before.place != after.place:
        tx.watches.move(after.id, model.home_of(after.place))


def forget_watches(tx: Any, person: str) -> None:
    """Forget the watches of a person who erases themselves."""
    watches = tx.watches.of(person)
    if watches:
        tx.watches.remove_all(person)
        tx.matches.remove([watch.id for watch in watches])
        one_less(tx, sorted({watch.set for watch in watches}))
