"""Listens to what happens to groups, members, answers and people, and keeps who belongs to which audience."""

from __future__ import annotations

from typing import Any

from chassis.messages import Received
from chassis.subscriptions import subscribe
from notifications.audiences import model
from notifications.audiences.model import Standing
from notifications.audiences.schemas import AnswerData, ErasedData, GroupData, MemberData, PromotedData
from notifications.stream.model import own_topic


class AudiencesApi:
    """Subscriptions only: nobody asks for audiences but the inbox."""

    store: Any
    live: Any

    @subscribe("groups.group.founded.v1", data=GroupData, projection="groups")
    def note_founded(self, message: Received) -> None:
        """Nobody hears that a group was founded; it is noted."""
        self._note_group(message)

    @subscribe("groups.group.updated.v1", data=GroupData, projection="groups")
    def note_updated(self, message: Received) -> None:
        """A group has another name, address or visibility."""
        self._note_group(message)

    @subscribe("groups.member.joined.v1", data=MemberData, projection="standings")
    def note_joined(self, message: Received) -> None:
        """From now on the person hears what the group hears."""
        self._note_member(message, lambda was: model.join(was, message.sequence, message.data["role"], message.time))

    @subscribe("groups.member.role_changed.v1", data=MemberData, projection="standings")
    def note_role_changed(self, message: Received) -> None:
        """From now on the person hears what organizers hear, or does not any more."""
        self._note_member(
            message, lambda was: model.take_role(was, message.sequence, message.data["role"], message.time)
        )

    @subscribe("groups.member.left.v1", data=MemberData, projection="standings")
    def note_left(self, message: Received) -> None:
        """The person hears nothing of the group any more."""
        self._note_member(message, lambda was: model.leave(was, message.sequence))

    @subscribe("groups.member.removed.v1", data=MemberData, projection="standings")
    def note_removed(self, message: Received) -> None:
        """The person hears nothing of the group any more."""
        self._note_member(message, lambda was: model.leave(was, message.sequence))

    @subscribe("groups.member.banned.v1", data=MemberData, projection="standings")
    def note_banned(self, message: Received) -> None:
        """The person hears nothing of the group any more."""
        self._note_member(message, lambda was: model.leave(was, message.sequence))

    @subscribe("events.rsvp.changed.v1", data=AnswerData, projection="standings")
    def note_answered(self, message: Received) -> None:
        """The person hears what becomes of the event while they are going, waitlisted or may come."""
        data = message.data
        to, group, person = data["event"]["id"], data["group"]["id"], data["person"]["id"]
        self._note(
            message,
            Standing(person, to, group),
            lambda was: model.answer(
                was, message.sequence, data["status"], data["was"], message.time, data["asked_again"]
            ),
        )

    @subscribe("events.rsvp.promoted.v1", data=PromotedData, projection="standings")
    def note_promoted(self, message: Received) -> None:
        """The person is going now, and hears what is for those who are."""
        data = message.data
        unknown = Standing(data["person"]["id"], data["event"]["id"], data["group"]["id"])
        self._note(message, unknown, lambda was: model.promote(was, message.sequence, message.time))

    @subscribe("groups.person.erased.v1", data=ErasedData, projection="standings")
    def forget_standings(self, message: Received) -> None:
        """A person who erased themselves belongs to no audience."""
        self.store.forgotten.add(message.data["person_id"], message.now)
        with self.store.transaction(message) as tx:
            tx.standings.forget(message.data["person_id"])
        self.live.moved([own_topic(message.data["person_id"])])

    def _note_group(self, message: Received) -> None:
        group = message.data["group"]
        with self.store.transaction(message) as tx:
            seen = {name: group[name] for name in ("slug", "name", "visibility")}
            tx.groups.project(group["id"], message.sequence, seen)

    def _note_member(self, message: Received, change: Any) -> None:
        group = message.data["group"]["id"]
        self._note(message, Standing(message.data["person"]["id"], group, group), change)

    def _note(self, message: Received, unknown: Standing, change: Any) -> None:
        try:
            with self.store.transaction(message) as tx:
                if not tx.forgotten.has(unknown.person):
                    tx.standings.save(change(tx.standings.get(unknown.person, unknown.to, unknown.group)))
            self.live.moved([own_topic(unknown.person)])
        finally:
            if self.store.forgotten.has(unknown.person):  # meanwhile: see Forgotten
                self.store.standings.forget(unknown.person)
