"""Those who wait to join the same group are let in together: one transaction instead of many that collide on its count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chassis import idempotency
from chassis.endpoints import JSON, Call, to_json
from chassis.problems import AuthenticationRequired, IdempotencyInProgress, Problem
from chassis.together import Together
from groups.groups.model import Group, NoSuchGroup, Viewer, check_visible, next_version
from groups.invitations.model import Invitation
from groups.members import model
from groups.members.schemas import JoinedView, JoinRequested, MemberJoined, Passage
from groups.people.model import Person
from groups.sessions.model import hash_of

NO_GROUP = "grp_"
"""The id of no group."""
_VIEW = JoinedView()


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to join a group."""

    store: Any
    call: Call
    answer: str | None
    invitation: str | None = None
    """The code of an invitation."""

    @property
    def code(self) -> str | None:
        """The hash by which the invitation is found."""
        return self.invitation and hash_of(self.invitation)


class _KeyInUse(Exception):
    """The Idempotency-Key of one call is in use by another, which undoes the whole transaction."""

    def __init__(self, number: int, problem: IdempotencyInProgress) -> None:
        super().__init__(number)
        self.number, self.problem = number, problem


def status_of(membership: model.Membership) -> int:
    """The status of the answer to who joins: 201 they are in, 202 they wait."""
    return 201 if membership.status == model.ACTIVE else 202


def decide(group: str, asked: list[Asked]) -> Sequence[model.Membership | Exception]:
    """Let in who wants to join a group: a Membership or a Problem for each, in their order."""
    refused: dict[int, Exception] = {}
    while True:
        try:
            return _decide(group, asked, refused)
        except _KeyInUse as fault:
            refused[fault.number] = fault.problem


def _decide(group: str, asked: list[Asked], refused: dict[int, Exception]) -> list[model.Membership | Exception]:
    first = asked[0]
    persons = {one.call.caller.id for one in asked}
    # Each keeps the answer to its own key below, so none is the cause of the whole.
    with first.store.transaction(replace(first.call, claim=None)) as tx:
        before = tx.groups.seen_by(group, None)
        # A group that is not there takes the same steps as one that they may not know of.
        identifier = before.id if before else NO_GROUP
        people, memberships = tx.people.hold_all(persons), tx.members.of_people(identifier, persons)
        invitations = tx.invitations.into(identifier, {one.code for one in asked if one.code})
        keys = _keys_in_use(tx, asked)
        if before is None or not (before.visibility != "private" or invitations or _is_member_among(memberships)):
            tx.rollback()
            return [NoSuchGroup() for _ in asked]
        tx.groups.hold(before)
        room = _Room(before, people, memberships, invitations, keys)
        results: list[model.Membership | Exception] = []
        for number, one in enumerate(asked):
            try:
                results.append(refused.get(number) or room.admit(tx, one))
            except Problem as problem:
                results.append(problem)
        joined = [result for result in results if isinstance(result, model.Membership)]
        if not joined:
            tx.rollback()
            return results
        tx.members.save_all(joined)
        tx.groups.save(room.group)
        tx.invitations.count_uses(room.uses)
        for number, (one, result) in enumerate(zip(asked, results, strict=True)):
            if isinstance(result, model.Membership):
                _keep_answer(tx, number, one.call, result)
    return results


def _is_member_among(memberships: Mapping[str, model.Membership]) -> bool:
    return any(one.status == model.ACTIVE for one in memberships.values())


class _Room:
    """A group as one after the other comes in."""

    def __init__(
        self,
        group: Group,
        people: dict[str, Person],
        memberships: dict[str, model.Membership],
        invitations: dict[str, Invitation],
        keys: set[bytes],
    ) -> None:
        self.group, self.people, self.memberships, self.keys = group, people, memberships, keys
        self.invitations = invitations
        self.uses: Counter[str] = Counter()
        """How many came by which invitation."""

    def admit(self, tx: Any, asked: Asked) -> model.Membership:
        """Decide for one, and tell of it."""
        if asked.call.claim is not None:
            if asked.call.claim.id in self.keys:
                raise IdempotencyInProgress("Repeat this request a little later for its answer.")
            self.keys.add(asked.call.claim.id)
        person = self.people.get(asked.call.caller.id)
        if person is None:
            raise AuthenticationRequired("This person is not here any more.")
        was = self.memberships.get(person.id)
        seen = replace(self.group, viewer=Viewer(was.role, was.status) if was else None)
        invitation = self._invitation(asked)
        if invitation is None:
            check_visible(seen)
        membership = model.join(seen, person.id, asked.answer, asked.call.now, invited=invitation is not None)
        self.memberships[person.id] = membership
        if invitation is not None:
            self.invitations[invitation.code] = replace(invitation, uses=invitation.uses + 1)
            self.uses[invitation.id] += 1
        if membership.status == model.ACTIVE:
            self.group = model.counting(self.group, person, None, membership)
            message: Any = Passage(self.group, person, membership.role).as_(MemberJoined)
        else:
            self.group = next_version(self.group)
            content = {"group": self.group.reference, "person": person.reference, "answer": membership.answer}
            message = JoinRequested(content, subject=self.group.id, sequence=self.group.version, audience="group")
        message.traceparent = asked.call.traceparent
        tx.publish(message)
        return membership

    def _invitation(self, asked: Asked) -> Invitation | None:
        """The invitation by which somebody comes, if it lets one more in."""
        found = self.invitations.get(asked.code) if asked.code else None
        return found if found is not None and found.holds(asked.call.now) else None


def _keys_in_use(tx: Any, asked: Sequence[Asked]) -> set[bytes]:
    """The Idempotency-Keys with which somebody has joined since their call was found to be a new one."""
    keys = [one.call.claim.id for one in asked if one.call.claim is not None]
    if not keys:
        return set()
    kept = tx.store.database[idempotency.COLLECTION]
    return {one["_id"] for one in kept.find({"_id": {"$in": keys}}, {"_id": 1}, session=tx.session)}


def _keep_answer(tx: Any, number: int, call: Call, membership: model.Membership) -> None:
    """Keep the answer to a call with an Idempotency-Key, as a unit of work of its own would."""
    if call.claim is None:
        return
    head = json.dumps([status_of(membership), {"Content-Type": JSON}]).encode()
    try:
        idempotency.stake(call.claim, tx.store.database, tx.session)
    except IdempotencyInProgress as problem:
        raise _KeyInUse(number, problem) from None
    idempotency.keep(call.claim, head + b"\n" + to_json(_VIEW.dump(membership)), tx.store.database, tx.session)


joining: Together[Asked, model.Membership] = Together(decide)
