"""The endpoint for interests."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import ANYONE, Call, endpoint
from chassis.schemas import Page
from groups.interests.schemas import InterestsPage, InterestsQuery


class InterestsApi:
    """What people and groups care about."""

    store: Any

    @endpoint("GET", "/v1/interests", query=InterestsQuery, returns=InterestsPage, access=ANYONE)
    def list_interests(self, call: Call, query: dict[str, Any]) -> Page:
        """Interests with how many public groups and people have them, most used first."""
        self._count_what_is_new(call)
        found = self.store.interests.most_used(query["prefix"], query.get("cursor"), query["limit"] + 1)
        return Page.cut(found, query["limit"], lambda one: [one["used"], one["name"]])

    def _count_what_is_new(self, call: Call) -> None:
        if not self.store.interest_changes.some():
            return
        with self.store.transaction(call) as tx:
            changes = tx.interest_changes.some()
            tx.interest_changes.remove(changes)
            tx.interests.add_up(changes)
