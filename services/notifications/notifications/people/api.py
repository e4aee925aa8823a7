"""Gives a person all that is held about them, and forgets those who erase themselves."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import Received
from chassis.subscriptions import subscribe
from notifications.audiences.schemas import ErasedData
from notifications.people.schemas import Export


class PeopleApi:
    """A person's rights over what is held about them."""

    store: Any

    @endpoint("GET", "/v1/me/export/notifications", returns=Export, access=SIGNED_IN)
    def export_notifications(self, call: Call) -> dict[str, Any]:
        """Export all that notifications hold about the caller."""
        person = call.caller.id
        return {
            "person_id": person,
            "standings": self.store.standings.of(person),
            "read": self.store.readers.get(person),
            "notices": list(self.store.notices.concerning(person)),
        }

    @subscribe("groups.person.erased.v1", data=ErasedData)
    def forget_person(self, message: Received) -> None:
        """Forget a person who erased themselves: their notices, what they read, and their part in what others read."""
        person = message.data["person_id"]
        self.store.forgotten.add(person, message.now)
        with self.store.transaction(message) as tx:
            tx.notices.forget(person)
            tx.readers.forget(person)
