"""Gives a person all that is held about them, and forgets those who erase themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import Received
from chassis.problems import AuthenticationRequired
from chassis.subscriptions import subscribe
from notifications.audiences.schemas import ErasedData
from notifications.notices.posting import POSTING
from notifications.people.schemas import Export, ProfileData
from notifications.preferences.schemas import shown
from notifications.webhooks.api import forget_webhooks


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
            "profile": self.store.profiles.find(person),
            "mailbox": self.store.mailboxes.get(person),
            "mails": self.store.mails.of(person),
            "digests": self.store.digests.of(person),
            "preferences": shown(self.store.preferences.get(person)),
            "notices": list(self.store.notices.concerning(person)),
            "webhooks": self.store.webhooks.of(person),
        }

    @subscribe("groups.person.erased.v1", data=ErasedData)
    def forget_person(self, message: Received) -> None:
        """Forget a person who erased themselves: their notices, what they read and prefer, and their part in what others read."""
        person = message.data["person_id"]
        self.store.forgotten.add(person, message.now)
        with self.store.transaction(message, turn=POSTING) as tx:
            # What is being posted meanwhile either stands there already, or is posted knowing that they are forgotten.
            tx.posting.hold()
            tx.notices.forget(person)
            tx.readers.forget(person)
            forget_webhooks(self.store, tx, person)
            tx.letters.forget(person)
            tx.tickets.forget(person)
            tx.preferences.forget(person)
            tx.profiles.forget(person)
            for repository in (tx.mailboxes, tx.codes_sent, tx.mails, tx.digests):
                repository.forget(person)

    @subscribe("groups.person.registered.v1", data=ProfileData, projection="profiles")
    def note_registered(self, message: Received) -> None:
        """Where a person lives and which language they read is noted, for what is mailed to them."""
        self._note_profile(message)

    @subscribe("groups.person.updated.v1", data=ProfileData, projection="profiles")
    def note_updated_person(self, message: Received) -> None:
        """The person lives elsewhere, reads another language or is called otherwise."""
        self._note_profile(message)

    def _note_profile(self, message: Received) -> None:
        data = message.data
        person = data["person"]["id"]
        seen = {"name": data["person"]["display_name"], "time_zone": data["time_zone"], "locale": data["locale"]}
        try:
            with self.store.transaction(message) as tx:
                if not tx.forgotten.has(person):
                    tx.profiles.project(person, message.sequence, seen)
        finally:
            if self.store.forgotten.has(person):  # meanwhile: see Forgotten
                self.store.profiles.forget(person)


@contextmanager
def staying(store: Any, person: str, forget: Callable[[str], None]) -> Iterator[None]:
    """Around a unit of work by which a person has something kept; `forget` deletes it if they erase themselves meanwhile.

    Raises AuthenticationRequired when they have erased themselves; see Forgotten.
    """
    if store.forgotten.has(person):
        raise AuthenticationRequired("This person is not here any more.")
    try:
        yield
    finally:
        if store.forgotten.has(person):
            forget(person)
