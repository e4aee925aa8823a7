"""Listens to what happens to groups and their members, and draws the consequences for events and seats."""

from __future__ import annotations

from typing import Any

from chassis.messages import Received
from chassis.subscriptions import subscribe
from events.events import model
from events.groups.schemas import ArchivedData, GroupData, MemberData
from events.rsvps.api import keep
from events.series.api import cancel_all, end_all, tell_changed, unhost_all


class GroupsApi:
    """Subscriptions only: groups are the groups service's."""

    store: Any

    # -- what is known: built from messages alone, in whatever order they come

    @subscribe("groups.group.founded.v1", data=GroupData, projection="groups")
    def note_founded(self, message: Received) -> None:
        """There is a new group."""
        with self.store.transaction(message) as tx:
            _note_group(tx, message)

    @subscribe("groups.group.updated.v1", data=GroupData, projection="groups")
    def note_updated(self, message: Received) -> None:
        """A group is different now."""
        with self.store.transaction(message) as tx:
            _note_group(tx, message)

    @subscribe("groups.group.archived.v1", data=ArchivedData, projection="groups")
    def note_archived(self, message: Received) -> None:
        """A group is read-only now."""
        with self.store.transaction(message) as tx:
            tx.groups.archive(message.data["group"]["id"])

    @subscribe("groups.member.joined.v1", data=MemberData, projection="memberships")
    def note_joined(self, message: Received) -> None:
        """Somebody is in a group now."""
        self._note_member(message, "active", message.data["role"])

    @subscribe("groups.member.role_changed.v1", data=MemberData, projection="memberships")
    def note_role_changed(self, message: Received) -> None:
        """Somebody has another role in a group."""
        self._note_member(message, "active", message.data["role"])

    @subscribe("groups.member.left.v1", data=MemberData, projection="memberships")
    def note_left(self, message: Received) -> None:
        """Somebody left a group."""
        self._note_member(message, "left", None)

    @subscribe("groups.member.removed.v1", data=MemberData, projection="memberships")
    def note_removed(self, message: Received) -> None:
        """Somebody was removed from a group."""
        self._note_member(message, "removed", None)

    @subscribe("groups.member.banned.v1", data=MemberData, projection="memberships")
    def note_banned(self, message: Received) -> None:
        """Somebody was banned from a group."""
        self._note_member(message, "banned", None)

    # -- what follows from it

    @subscribe("groups.group.updated.v1", data=GroupData)
    def renew_events(self, message: Received) -> None:
        """Show the group's events as the group is now: its name, its interests, who may see it."""
        with self.store.transaction(message) as tx:
            _note_group(tx, message)
            tx.events.renew_group(tx.groups.hold(message.data["group"]["id"]))

    @subscribe("groups.group.archived.v1", data=ArchivedData)
    def cancel_events(self, message: Received) -> None:
        """Cancel the coming events of an archived group, end its series, and take all of its events out of the open search."""
        group = message.data["group"]["id"]
        with self.store.transaction(message) as tx:
            tx.groups.archive(group)
            tx.groups.hold(group)
            end_all(tx, group, message)
            tx.events.archive_group(group)
            coming = tx.events.take_turns(group, message.now)
            cancel_all(tx, coming, "The group was archived.", message, None)

    @subscribe("groups.member.left.v1", data=MemberData)
    def give_up_seats_of_left(self, message: Received) -> None:
        """Free what somebody who left held in events that they cannot see any more."""
        self._give_up_seats(message, "left")

    @subscribe("groups.member.removed.v1", data=MemberData)
    def give_up_seats_of_removed(self, message: Received) -> None:
        """Free what somebody who was removed held in the group's coming events."""
        self._give_up_seats(message, "removed")

    @subscribe("groups.member.banned.v1", data=MemberData)
    def give_up_seats_of_banned(self, message: Received) -> None:
        """Free what somebody who was banned held in the group's coming events."""
        self._give_up_seats(message, "banned")

    def _note_member(self, message: Received, status: str, role: str | None) -> None:
        person = message.data["person"]["id"]
        try:
            with self.store.transaction(message) as tx:
                _note_membership(tx, message, status, role)
        finally:
            if self.store.people.gone([person]):  # meanwhile, or long ago: what comes late revives nobody
                self.store.memberships.forget(person)

    def _give_up_seats(self, message: Received, status: str) -> None:
        person = message.data["person"]["id"]
        with self.store.transaction(message) as tx:
            _note_membership(tx, message, status, None)
            # Nobody schedules or answers the group's events meanwhile, so no seat is missed.
            tx.groups.hold(message.data["group"]["id"])
            coming = tx.events.take_turns(message.data["group"]["id"], message.now)
            answered = set(tx.rsvps.may_come_to(person))
            unhosted = [event for event in coming if model.unhost(event, person, message.sequence, message.now)]
            tell_changed(tx, [(event, ["hosts"]) for event in unhosted], message, None)
            tx.events.save_all(unhosted)
            unhost_all(tx, message.data["group"]["id"], person, message)
            for event in coming:
                if event.id in answered and not (status == "left" and event.open_to_all):
                    book = tx.rsvps.book(event, [person])
                    book.withdraw(person, message.sequence, message.now)
                    keep(tx, book)


def _note_group(tx: Any, message: Received) -> None:
    group = message.data["group"]
    seen = {name: group[name] for name in ("slug", "name", "visibility", "interests")}
    tx.groups.project(group["id"], message.sequence, seen)


def _note_membership(tx: Any, message: Received, status: str, role: str | None) -> None:
    data = message.data
    tx.memberships.note(data["group"]["id"], data["person"]["id"], message.sequence, status, role)
