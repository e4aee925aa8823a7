"""Icebreakers for those who are going."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.problems import NotAllowed
from chassis.schemas import Page
from events.events.model import GOING, see
from events.icebreakers.model import Attendee, break_ice
from events.icebreakers.schemas import IcebreakerPage, IcebreakersQuery
from events.rsvps.api import find_soon, who_sees_it

MOST_CONSIDERED = 2_000
"""Of how many people who are going the best to meet are chosen: those who said so first."""


class IcebreakersApi:
    """Whom to meet at an event, and how to begin."""

    store: Any

    @endpoint(
        "GET",
        "/v1/events/{event}/icebreakers",
        query=IcebreakersQuery,
        returns=IcebreakerPage,
        access=SIGNED_IN,
    )
    def list_icebreakers(self, call: Call, event: str, query: dict[str, Any]) -> Page:
        """See whom I would enjoy meeting at an event, and an opening line for each; for people who are going.

        Best first: who shares the rarest interests with me beyond the group's own, then whose background differs from
        mine. Only people who opted in appear. The same question gets the same lines.
        """
        me = call.caller
        found, membership = find_soon(self.store, call, event, who_sees_it)
        found = see(found, membership)
        mine = self.store.rsvps.of_person(me.id, [event]).get(event)
        if mine is None or mine.status != GOING:
            raise NotAllowed("Icebreakers are for people who are going.")
        # Of the event as it was at the first page: who comes later changes no page.
        as_of, rank = query.get("cursor") or (found.version, 0)
        going = self.store.rsvps.going(event, as_of, MOST_CONSIDERED)
        others = self.store.people.open_to_meet(going)
        # Known by message, like all others; a moment ago they may not have been.
        known = call.soon(lambda: self.store.people.met(me.id)) or Attendee(me.id, me.handle, me.display_name)
        made = break_ice(event, found.interests, known, others)
        items = made[rank : rank + query["limit"]]
        more = len(made) > rank + len(items)
        return Page(items, (as_of, rank + len(items)) if more else None)
