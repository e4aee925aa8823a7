"""Endpoints for members: join, list, change, leave, remove, and the groups one is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, Call, endpoint
from chassis.messages import Message
from chassis.problems import NotAllowed
from chassis.schemas import Page
from groups.groups.api import archive, hold
from groups.groups.model import MODERATOR, ORGANIZER, Group, Viewer, check_role, check_visible, next_version
from groups.members import model
from groups.members.joining import Asked, joining, status_of
from groups.members.schemas import (
    JoinDeclined,
    JoinedView,
    Joining,
    MemberBanned,
    MemberJoined,
    MemberLeft,
    MemberPatch,
    MemberRemoved,
    MemberRoleChanged,
    MembersPage,
    MembersQuery,
    MemberView,
    MyGroupsPage,
    MyGroupsQuery,
    Passage,
    RemovalQuery,
)
from groups.moderation.audit import note, note_of_itself
from groups.paging import moment
from groups.people.model import Person

ME = "me"


class MembersApi:
    """Who is in a group, and the groups one is in."""

    store: Any

    @endpoint(
        "POST",
        "/v1/groups/{group}/members",
        body=Joining,
        returns=JoinedView,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        answers={202: "Asked to join; an organizer or moderator will answer"},
        problems=(model.AlreadyMember, model.AlreadyPending, model.Banned, model.InvitationNeeded),
    )
    def join_group(self, call: Call, group: str, body: dict[str, Any]) -> Answer:
        """Join a group, or ask to join it where approval is needed.

        With the code of an invitation one is in at once, whatever the group's join policy and visibility.
        """
        membership = joining.do(group, Asked(self.store, call, body.get("answer"), body.get("invitation")))
        return Answer(membership, status=status_of(membership))

    @endpoint("GET", "/v1/groups/{group}/members", query=MembersQuery, returns=MembersPage, access=ANYONE)
    def list_members(self, call: Call, group: str, query: dict[str, Any]) -> Page:
        """Who is in a group: organizers, moderators, members, each in the order they joined.

        Everybody sees the members of a public group, members those of others; organizers and moderators see who
        waits or is banned.
        """
        seen = check_visible(self.store.groups.seen_by(group, call.person and call.person.id))
        if seen.visibility != "public" and seen.role is None:
            raise NotAllowed("Only members see who is in this group.")
        if query["status"] != model.ACTIVE:
            check_role(seen, ORGANIZER, MODERATOR)
        cursor, limit = query.get("cursor"), query["limit"]
        after = cursor and (cursor[0], moment(cursor[1]), cursor[2])
        found = self.store.members.of_group(seen.id, query["status"], query.get("role"), after, limit + 1)
        page = Page.cut(found, limit, lambda one: [model.RANK[one.role], one.joined_at.isoformat(), one.person])
        people = self.store.people.references(one.person for one in page.items)
        page.items = [_view(one, people[one.person]) for one in page.items if one.person in people]
        return page

    @endpoint(
        "PATCH",
        "/v1/groups/{group}/members/{handle}",
        body=MemberPatch,
        returns=MemberView,
        access=SIGNED_IN,
        problems=(model.LastOrganizer,),
    )
    def change_member(self, call: Call, group: str, handle: str, body: dict[str, Any]) -> dict[str, Any]:
        """Give a member another role (for organizers), or let somebody in who waits (for organizers and moderators)."""
        with self.store.transaction(call) as tx:
            seen, person, before = self._member(tx, call, group, handle)
            check_role(seen, ORGANIZER, *((MODERATOR,) if "status" in body else ()))
            if "status" in body:
                kind: type[Message] = MemberJoined
                after = model.approve(before, call.now)
            else:
                kind = MemberRoleChanged
                after = model.change_role(seen, person, before, body["role"])
            if after != before:
                counted = model.counting(seen, person, before, after)
                tx.members.save(after)
                tx.groups.save(counted)
                tx.publish(Passage(counted, person, after.role, call.caller.reference()).as_(kind))
                if "status" in body:
                    note(tx, call, seen.id, "member.approved", person.id)
                else:
                    note(tx, call, seen.id, "member.role_changed", person.id, role=after.role)
        return _view(after, person.reference)

    @endpoint(
        "DELETE",
        "/v1/groups/{group}/members/{handle}",
        query=RemovalQuery,
        status=204,
        access=SIGNED_IN,
        problems=(model.LastOrganizer,),
    )
    def remove_member(self, call: Call, group: str, handle: str, query: dict[str, Any]) -> None:
        """Leave a group (as `me`), or remove, decline or ban somebody, or lift a ban (for organizers and moderators).

        `ban=true` bans also who is not in the group; `ban=false` lifts the ban of who is banned, so that they may join
        again. Without it, somebody who waits is declined, and a member removed.
        """
        with self.store.transaction(call) as tx:
            seen, person, found = self._person(tx, call, group, handle)
            if person.id != call.caller.id and query["ban"]:
                self._ban(tx, call, seen, person, found, query.get("reason"))
            elif found is not None and found.status == model.BANNED and query["ban"] is False:
                tx.members.save(model.lift_ban(seen, found, query.get("reason"), call.now))
                note(tx, call, seen.id, "member.unbanned", person.id, query.get("reason"))
            else:
                self._take_out(tx, call, seen, person, model.check_in(found, call.caller.id == person.id), query)

    @endpoint("GET", "/v1/me/groups", query=MyGroupsQuery, returns=MyGroupsPage, access=SIGNED_IN)
    def list_my_groups(self, call: Call, query: dict[str, Any]) -> Page:
        """The groups that the caller is in, with their role, joined last first."""
        cursor, limit = query.get("cursor"), query["limit"]
        after = cursor and (moment(cursor[0]), cursor[1])
        found = self.store.members.of_person(call.caller.id, after, limit + 1)
        page = Page.cut(found, limit, lambda one: [one.joined_at.isoformat(), one.group])
        groups = self.store.groups.several(one.group for one in page.items)
        page.items = [replace(groups[one.group], viewer=Viewer(one.role, one.status)) for one in page.items]
        return page

    # -- parts of the above

    def _member(self, tx: Any, call: Call, group: str, handle: str) -> tuple[Group, Person, model.Membership]:
        """The group, the person with this handle (or `me`) and their membership. Raises NotFound, NotAllowed."""
        seen, person, found = self._person(tx, call, group, handle)
        return seen, person, model.check_in(found, person.id == call.caller.id)

    def _person(self, tx: Any, call: Call, group: str, handle: str) -> tuple[Group, Person, model.Membership | None]:
        """Like `_member`, whatever the person is or was in the group."""
        seen = hold(tx, call, group)
        mine = handle in (ME, call.caller.handle)
        if not mine:
            check_role(seen, ORGANIZER, MODERATOR)
        person = tx.people.get(call.caller.id) if mine else tx.people.by_handle(handle)
        return seen, person, tx.members.find(seen.id, person.id)

    def _take_out(
        self, tx: Any, call: Call, group: Group, person: Person, membership: model.Membership, query: dict[str, Any]
    ) -> None:
        """Have somebody who is in the group, or waits, be out of it."""
        if person.id == call.caller.id:
            self._leave(tx, group, person, membership)
        elif membership.status == model.PENDING:
            self._decline(tx, call, group, person, membership)
            note(tx, call, group.id, "member.declined", person.id, query.get("reason"))
        else:
            self._remove(tx, call, group, person, membership, query.get("reason"))

    def _leave(self, tx: Any, group: Group, person: Person, membership: model.Membership) -> None:
        tx.members.remove(membership)
        if membership.status == model.ACTIVE:
            model.check_not_last_organizer(group, person)
            after = model.counting(group, person, membership, None)
            tx.groups.save(after)
            tx.publish(Passage(after, person, membership.role).as_(MemberLeft))

    def _decline(self, tx: Any, call: Call, group: Group, person: Person, membership: model.Membership) -> None:
        tx.members.remove(membership)
        after = next_version(group)
        tx.groups.save(after)
        content = {"group": after.reference, "person": person.reference, "answer": membership.answer}
        content["by"] = call.caller.reference()
        tx.publish(JoinDeclined(content, subject=after.id, sequence=after.version, audience="group"))

    def _remove(
        self, tx: Any, call: Call, group: Group, person: Person, before: model.Membership, reason: str | None
    ) -> None:
        removed = model.remove(group, before, reason, call.now)
        after = model.counting(group, person, before, removed)
        tx.members.save(removed)
        tx.groups.save(after)
        tx.publish(Passage(after, person, before.role, call.caller.reference()).as_(MemberRemoved))
        note(tx, call, group.id, "member.removed", person.id, reason)

    def _ban(
        self, tx: Any, call: Call, group: Group, person: Person, before: model.Membership | None, reason: str | None
    ) -> None:
        banned = model.ban(group, person.id, before, reason, call.now)
        if banned is before:
            return
        # Held, so that nothing is written of somebody who erases themselves meanwhile.
        tx.people.hold(person.id)
        tx.members.save(banned)
        note(tx, call, group.id, "member.banned", person.id, reason)
        if not model.is_told_of_ban(group, before):
            return
        after = model.counting(group, person, before, banned)
        tx.groups.save(after)
        role = before.role if before else banned.role
        tx.publish(Passage(after, person, role, call.caller.reference()).as_(MemberBanned))


def leave_all(tx: Any, person: Person) -> None:
    """Take a person who erases themselves out of all groups; where they were the last organizer, another takes over.

    That is the longest-serving moderator, else the longest-serving member; a group without either is archived.
    """
    memberships = {one.group: one for one in tx.members.all_of(person.id)}
    tx.members.remove_all(person.id)
    groups = tx.groups.several(group for group, one in memberships.items() if one.status == model.ACTIVE)
    left: list[Group] = []
    for identifier, before in groups.items():
        group = model.counting(before, person, memberships[identifier], None)
        if not group.organizers and not group.archived:
            heir = model.successor(tx.members.of_group(group.id, model.ACTIVE, None, None, 1))
            if heir is None:
                archive(tx, group)
                note_of_itself(tx, group.id, "group.archived")
                continue
            group = _promote(tx, group, heir)
        left.append(group)
    tx.groups.save_all(left)


def _promote(tx: Any, group: Group, heir: model.Membership) -> Group:
    person = tx.people.get(heir.person)
    organizer = replace(heir, role=ORGANIZER)
    after = model.counting(group, person, heir, organizer)
    tx.members.save(organizer)
    tx.publish(Passage(after, person, ORGANIZER).as_(MemberRoleChanged))
    note_of_itself(tx, group.id, "member.role_changed", heir.person, role=ORGANIZER)
    return after


def _view(membership: model.Membership, person: dict[str, str]) -> dict[str, Any]:
    return {"person": person, "role": membership.role, "status": membership.status, "joined_at": membership.joined_at}
