"""The endpoint for interests, and reading anew what was stored under what is an alias now."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import ANYONE, Call, endpoint
from chassis.schemas import Page
from chassis.timers import Tick, every
from chassis.vocabulary import aliases_in_use
from groups.interests.aliases import read_anew
from groups.interests.schemas import InterestsPage, InterestsQuery


class InterestsApi:
    """What people and groups care about."""

    store: Any
    settings: Any

    @endpoint("GET", "/v1/interests", query=InterestsQuery, returns=InterestsPage, access=ANYONE)
    def list_interests(self, call: Call, query: dict[str, Any]) -> Page:
        """Interests with how many public groups and people have them, most used first."""
        self._count_what_is_new(call)
        found = self.store.interests.most_used(query["prefix"], query.get("cursor"), query["limit"] + 1)
        return Page.cut(found, query["limit"], lambda one: [one["used"], one["name"]])

    @every(60)
    def read_by_new_aliases(self, tick: Tick) -> None:
        """Where something is stored under what operators say is an alias by now, store what that stands for."""
        if aliases := aliases_in_use():
            read_anew(self.store, tick, aliases, self.settings.demand_levels)

    def _count_what_is_new(self, call: Call) -> None:
        if not self.store.interest_changes.some():
            return
        with self.store.transaction(call) as tx:
            changes = tx.interest_changes.some()
            tx.interest_changes.remove(changes)
            tx.interests.add_up(changes)
