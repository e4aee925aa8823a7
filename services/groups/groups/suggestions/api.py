"""The endpoint for suggestions."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.schemas import Page
from groups.groups.model import Group
from groups.people.model import Person
from groups.suggestions import model
from groups.suggestions.schemas import SuggestionsPage, SuggestionsQuery

OWN_GROUPS = 10
"""How many of the caller's groups, the latest first, are asked where else their people are."""


class SuggestionsApi:
    """Groups that somebody might like."""

    store: Any

    @endpoint("GET", "/v1/me/suggestions", query=SuggestionsQuery, returns=SuggestionsPage, access=SIGNED_IN)
    def list_suggestions(self, call: Call, query: dict[str, Any]) -> Page:
        """Groups that the caller might like, and why, best first.

        They share interests with the caller, are near, or have members whom the caller knows from other groups. None that
        the caller is in, waits to join, or was removed or banned from. The list ends after some hundreds.
        """
        person = self.store.people.get(call.caller.id)
        groups, members = self._candidates(person)
        known = self.store.members.viewers(groups, person.id)
        strange = [group for group in groups.values() if group.id not in known]
        found = model.beyond(model.suggestions(person, strange, members), query.get("cursor"))
        return Page.cut(found, query["limit"], lambda one: one.place)

    def _candidates(self, person: Person) -> tuple[dict[str, Group], dict[str, int]]:
        """Groups that may suit a person, by id, and how many people of the person's own groups are in each of some."""
        own = [one.group for one in self.store.members.of_person(person.id, None, OWN_GROUPS)]
        members = self.store.companions.groups_of_others(own, person.id, model.MOST_OF_A_KIND)
        groups: dict[str, Group] = self.store.groups.several(members)
        for search, course in model.searches(person):
            found = self.store.listed_groups.find(search, course, None, model.MOST_OF_A_KIND)
            groups |= {group.id: group for group, _ in found}
        return groups, members
