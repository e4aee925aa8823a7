"""Endpoints for people: register, one's own profile, others' public ones, export and erasure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, Call, endpoint
from chassis.merge_patch import patched
from groups.members.api import leave_all
from groups.people import model
from groups.people.schemas import (
    ChangedPerson,
    EmailGiven,
    Export,
    NewPerson,
    OwnPerson,
    PersonErased,
    PersonPatch,
    PersonRegistered,
    PersonUpdated,
    PublicPerson,
)
from groups.sessions.model import HANDLE
from groups.sessions.passwords import hash_password
from groups.watches.api import forget_watches, move_watches

_WHOLE = ChangedPerson()


class PeopleApi:
    """People and their profiles."""

    settings: Any
    store: Any

    @endpoint(
        "POST",
        "/v1/people",
        body=NewPerson,
        returns=OwnPerson,
        status=201,
        access=ANYONE,
        idempotent=True,
        limit="300/minute",
        problems=(model.HandleTaken,),
    )
    def register(self, call: Call, body: dict[str, Any]) -> Answer:
        """Register as a person."""
        person = model.register(body, call.now)
        password = hash_password(body["password"], self.settings.password_memory_kib)
        with self.store.transaction(call) as tx:
            tx.people.add(person, password)
            tx.interest_changes.note("people", [], person.interests)
            tx.publish(_told(PersonRegistered, person))
            if person.email is not None:
                tx.publish(_handed_over(person))
        return Answer(person, location=f"/v1/people/{person.handle}")

    @endpoint("GET", "/v1/me", returns=OwnPerson, access=SIGNED_IN)
    def read_me(self, call: Call) -> model.Person:
        """The caller's own profile."""
        return self.store.people.get(call.caller.id)

    @endpoint("PATCH", "/v1/me", body=PersonPatch, returns=OwnPerson, access=SIGNED_IN)
    def change_me(self, call: Call, body: dict[str, Any]) -> model.Person:
        """Change the caller's own profile, by merge patch (RFC 7396)."""
        with self.store.transaction(call) as tx:
            before = tx.people.get(call.caller.id)
            call.expect_version(before.version)
            after = model.change(before, patched(_WHOLE, model.changeable(before), body), call.now)
            if after is not before:
                save_changed(tx, before, after)
                move_watches(tx, before, after)
                if after.email != before.email:
                    tx.publish(_handed_over(after))
        return after

    @endpoint("DELETE", "/v1/me", status=204, access=SIGNED_IN)
    def erase_me(self, call: Call) -> None:
        """Erase the caller: profile, sessions, tokens and memberships are gone, here at once, elsewhere soon.

        A group that would be left without an organizer passes to its longest-serving moderator, else to its
        longest-serving member, else it is archived.
        """
        with self.store.transaction(call) as tx:
            person = tx.people.get(call.caller.id)
            call.expect_version(person.version)
            tx.people.erase(person.id)
            tx.sessions.end_all(person.id)
            tx.tokens.remove_all(person.id)
            leave_all(tx, person)
            tx.asks.forget(person.id)
            tx.offers.forget(person.id)
            tx.attendances.forget(person.id)
            tx.promotions.forget(person.id)
            tx.reports.forget(person.id)
            tx.audit.forget(person.id)
            forget_watches(tx, person.id)
            tx.interest_changes.note("people", person.interests, [])
            content = {"person_id": person.id, "handle": person.handle}
            tx.publish(PersonErased(content, subject=person.id, sequence=person.version + 1))
        self.store.attempts.forget(HANDLE, person.handle)

    @endpoint("GET", "/v1/me/export", returns=Export, access=SIGNED_IN)
    def export_me(self, call: Call) -> dict[str, Any]:
        """All that this service holds about the caller."""
        person = self.store.people.get(call.caller.id)
        watches = self.store.watches.of(person.id)
        told = self.store.matches.groups_of(watch.id for watch in watches)
        held: dict[str, Any] = {
            "person": person,
            "sessions": self.store.sessions.of(person.id),
            "tokens": self.store.tokens.of(person.id),
            "offers": self.store.offers.all_of(person.id),
            "thanked_for": self.store.asks.thanking(person.id),
            "promoted_at": self.store.audiences.promoted_at(person.id),
            "reports": self.store.reports.all_of(person.id),
            "reports_about": self.store.reports.all_about(person.id),
            "watches": [(watch, told.get(watch.id, [])) for watch in watches],
        }
        in_groups: dict[str, list[dict[str, Any]]] = {
            "memberships": [asdict(one) for one in self.store.members.all_of(person.id)],
            "asks": [asdict(one) for one in self.store.asks.all_of(person.id)],
            "attendances": self.store.attendances.all_of(person.id),
            "promotions": [asdict(one) for one in self.store.promotions.all_of(person.id)],
            "audit": [{**asdict(one), "by_oneself": one.by == person.id} for one in self.store.audit.all_of(person.id)],
        }
        self._hide_private_groups(person.id, [one for several in in_groups.values() for one in several])
        return held | in_groups

    def _hide_private_groups(self, person: str, held: list[dict[str, Any]]) -> None:
        """Not even where somebody was banned or used to be do they learn of a private group that they are not in."""
        ids = {one["group"] for one in held}
        inside = {group for group, viewer in self.store.members.viewers(ids, person).items() if viewer.active}
        known = {one.id for one in self.store.groups.several(ids).values() if one.visibility != "private"} | inside
        for one in held:
            one["group"] = one["group"] if one["group"] in known else None

    @endpoint("GET", "/v1/people/{handle}", returns=PublicPerson, access=ANYONE)
    def read_person(self, call: Call, handle: str) -> model.Person:
        """A person's public profile, by handle."""
        return self.store.people.by_handle(handle)


def save_changed(tx: Any, before: model.Person, after: model.Person) -> None:
    """Keep a person as they are now, and tell of it, within a unit of work."""
    tx.people.save(after)
    tx.interest_changes.note("people", before.interests, after.interests)
    tx.publish(_told(PersonUpdated, after, before))


def _handed_over(person: model.Person) -> EmailGiven:
    """The person's address, for the service that mails."""
    content = {"person_id": person.id, "address": person.email}
    return EmailGiven(content, subject=person.id, sequence=person.version, audience="private")


def _told(kind: Any, person: model.Person, before: model.Person | None = None) -> Any:
    """The message of this kind about a person."""
    return kind(person, subject=person.id, sequence=person.version, audience=model.audience(person, before))
