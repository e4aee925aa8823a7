"""The endpoint that searches groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chassis.endpoints import ANYONE, Call, endpoint
from chassis.problems import MalformedRequest
from chassis.schemas import Page
from groups.groups.model import Group
from groups.paging import NO_CURSOR
from groups.search import model
from groups.search.schemas import FoundGroupsPage, SearchQuery
from groups.watches.model import set_of

CLOSEST = 5
WHOLE = ""
"""The name of the only step of a search that does not widen."""


class SearchApi:
    """Finding groups."""

    store: Any

    @endpoint("GET", "/v1/groups", query=SearchQuery, returns=FoundGroupsPage, access=ANYONE)
    def search_groups(self, call: Call, query: dict[str, Any]) -> Page:
        """Search groups: those that have all of the given interests, unless `match=any`.

        With `near`, local and regional groups are found by distance and national ones by country: the given one, else
        the caller's own, else that of the group nearest there. With `widen`, the search begins with local groups and goes
        on to regional, national and virtual ones until it finds some; `scope_reached` says how far it went. A search that
        finds nothing answers with `nobody_yet`: how many others watch for the same, and the groups that come closest.
        """
        search, limit = self._search(call, query), query["limit"]
        steps = dict(model.ladder(search)) if query["widen"] else {WHOLE: search}
        begin = query.get("cursor")
        if begin:
            steps = {scope: step for scope, step in steps.items() if scope == begin[0]}
            if not steps:
                raise MalformedRequest(NO_CURSOR)
        found: list[tuple[Group, list[Any]]] = []
        reached = WHOLE
        for scope, step in steps.items():
            reached = scope
            if found := self._find(step, begin and begin[1:], limit + 1):
                break
        more: dict[str, Any] = {"scope_reached": reached} if query["widen"] else {}
        if not found and not begin:
            more["nobody_yet"] = self._nobody_yet(call, search)
        page = Page.cut(found, limit, lambda one: [reached, *one[1]], **more)
        page.items = self._shown(call, search, (group for group, _ in page.items))
        return page

    def _find(self, search: model.Search, begin: Any, limit: int) -> list[tuple[Group, list[Any]]]:
        """What the courses of a search find, in turn, from a place on: the name of a course and a place in it."""
        courses = model.courses(search)
        names = [course.name for course in courses]
        at, after = begin or (names[0], None)
        model.check_place(courses, at, after)
        found: list[tuple[Group, list[Any]]] = []
        for course in courses[names.index(at) :]:
            part = self.store.listed_groups.find(search, course, after, limit - len(found))
            found += [(group, [course.name, place]) for group, place in part]
            after = None
            if len(found) == limit:
                break
        return found

    def _search(self, call: Call, query: dict[str, Any]) -> model.Search:
        search = model.Search(
            interests=tuple(dict.fromkeys(query["interest"])),
            match=query["match"],
            scopes=tuple(query["scope"]),
            near=query.get("near"),
            within_km=query.get("within_km"),
            country=query.get("country"),
            words=tuple(model.words(query["q"])),
            sort=query["sort"],
        )
        if search.near and not search.country:
            return replace(search, home=self._home(call) or self.store.listed_groups.country_near(search.near))
        return search

    def _home(self, call: Call) -> str | None:
        place = self.store.people.get(call.person.id).place if call.person else None
        return place and str(place["country"])

    def _shown(self, call: Call, search: model.Search, groups: Iterable[Group]) -> list[tuple[Group, model.Match]]:
        """Groups as the caller sees them, each with how it fits."""
        found = list(groups)
        person = call.person
        viewers = self.store.members.viewers([one.id for one in found], person.id) if person and found else {}
        return [(replace(one, viewer=viewers.get(one.id)), model.match(search, one)) for one in found]

    def _others_who_watch(self, call: Call, interests: tuple[str, ...]) -> int:
        wanted = set_of(interests)
        watchers: int = self.store.demand.watchers([wanted]).get(wanted, 0)
        if watchers and call.person and self.store.watches.watches_for(wanted, call.person.id):
            return watchers - 1
        return watchers

    def _nobody_yet(self, call: Call, search: model.Search) -> dict[str, Any]:
        closest = self._find(model.closest_to(search), None, CLOSEST) if search.interests or search.near else []
        return {
            "watchers": self._others_who_watch(call, search.interests),
            "closest": self._shown(call, search, (group for group, _ in closest)),
        }
