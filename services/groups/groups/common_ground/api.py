"""What the caller has in common with somebody."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from groups.common_ground import model
from groups.common_ground.schemas import CommonGround
from groups.people.model import Person


class CommonGroundApi:
    """What two people share."""

    store: Any

    @endpoint("GET", "/v1/people/{handle}/common-ground", returns=CommonGround, access=SIGNED_IN)
    def read_common_ground(self, call: Call, handle: str) -> dict[str, Any]:
        """What the caller and somebody else share, and lines to begin to talk with.

        Interests, groups that both are in, and events to which both came; of events in groups that are not public, only
        those whose group the caller is in.
        """
        them = self.store.people.by_handle(handle)
        me = self.store.people.get(call.caller.id)
        interests = self._interests(me, them)
        groups = self._groups(me, them)
        events = self._events(me, them)
        names = [one["title"] for one in events], [one["name"] for one in groups]
        lines = [] if me.id == them.id else model.openers((me.id, them.id), interests, *names)
        return {"interests": interests, "groups": groups, "events_together": events, "openers": lines}

    def _interests(self, me: Person, them: Person) -> list[str]:
        shared = set(me.interests).intersection(them.interests)
        return model.shared_interests(me.interests, them.interests, self.store.interests.used(shared))

    def _groups(self, me: Person, them: Person) -> list[dict[str, str]]:
        shared = self.store.members.shared_by(me.id, them.id, model.MOST)
        groups = self.store.groups.several(shared)
        return [groups[one].reference for one in shared]

    def _events(self, me: Person, them: Person) -> list[dict[str, Any]]:
        together = self.store.attendances.shared_by(me.id, them.id)
        ids = {one["group"] for one in together}
        public = {one.id for one in self.store.groups.several(ids).values() if one.visibility == "public"}
        own = {group for group, viewer in self.store.members.viewers(ids - public, me.id).items() if viewer.active}
        return [one["event"] for one in together if model.may_know(one, public, own)][: model.MOST]
