"""Endpoints for groups: found, read, change, archive."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, Call, endpoint
from chassis.merge_patch import patched
from chassis.problems import NotAllowed, NotFound
from groups.groups import model
from groups.groups.schemas import GroupArchived, GroupFounded, GroupPatch, GroupUpdated, GroupView, NewGroup
from groups.groups.store import SlugTaken
from groups.members.model import found_membership
from groups.members.schemas import MemberJoined, Passage
from groups.moderation.audit import note

_WHOLE = NewGroup()


class GroupsApi:
    """Groups of people around a set of interests."""

    store: Any

    @endpoint("POST", "/v1/groups", body=NewGroup, returns=GroupView, status=201, access=SIGNED_IN, idempotent=True)
    def found_group(self, call: Call, body: dict[str, Any]) -> Answer:
        """Found a group; the caller is its organizer."""
        for slug in model.slugs(body["name"], body["visibility"]):
            if self.store.groups.has_slug(slug):
                continue
            try:
                return self._found(call, body, slug)
            except SlugTaken:
                continue
        raise AssertionError("slugs do not end")

    @endpoint("GET", "/v1/groups/{group}", returns=GroupView, access=ANYONE)
    def read_group(self, call: Call, group: str) -> model.Group:
        """Read a group, by its id or slug."""
        return model.check_visible(self.store.groups.seen_by(group, call.person and call.person.id))

    @endpoint(
        "PATCH", "/v1/groups/{group}", body=GroupPatch, returns=GroupView, access=SIGNED_IN, problems=(NotAllowed,)
    )
    def change_group(self, call: Call, group: str, body: dict[str, Any]) -> model.Group:
        """Change a group, by merge patch (RFC 7396). For organizers."""
        with self.store.transaction(call) as tx:
            before = hold(tx, call, group)
            model.check_role(before, model.ORGANIZER)
            call.expect_version(before.version)
            wanted = patched(_WHOLE, model.changeable(before), body)
            after, changed = model.change(before, wanted, call.now)
            if not changed:
                return before
            if farewell := model.farewell(before, after):
                tx.publish(_updated(farewell, ["visibility"], "public"))
                after = model.next_version(after)
            save_changed(tx, before, after, changed)
            note(tx, call, after.id, "group.changed", changed=changed)
        return after

    @endpoint("DELETE", "/v1/groups/{group}", status=204, access=SIGNED_IN, problems=(NotAllowed, NotFound))
    def archive_group(self, call: Call, group: str) -> None:
        """Archive a group: it stays readable, nothing in it changes, searches do not find it. For organizers."""
        with self.store.transaction(call) as tx:
            before = hold(tx, call, group)
            model.check_role(before, model.ORGANIZER)
            call.expect_version(before.version)
            if not before.archived:
                archive(tx, before)
                note(tx, call, before.id, "group.archived")

    def _found(self, call: Call, body: dict[str, Any], slug: str) -> Answer:
        with self.store.transaction(call) as tx:
            founder = tx.people.hold(call.caller.id)
            founded = model.found(body, slug, founder.handle, call.now)
            group = model.next_version(founded)
            tx.groups.add(group)
            tx.members.save(found_membership(group, founder.id, call.now))
            note(tx, call, group.id, "group.founded")
            tx.interest_changes.note("groups", [], _counted(group))
            tx.service_changes.note(group.id, [], _counted(group), call.now)
            tx.publish(
                GroupFounded({"group": founded}, subject=group.id, sequence=founded.version, audience=group.audience)
            )
            tx.publish(Passage(group, founder, model.ORGANIZER).as_(MemberJoined))
        return Answer(group, location=f"/v1/groups/{group.slug}")


def hold(tx: Any, call: Call, group: str) -> model.Group:
    """The group with this id or slug, for who is going to change it. Raises NoSuchGroup."""
    seen = model.check_visible(tx.groups.seen_by(group, call.caller.id))
    tx.groups.hold(seen)
    return seen


def save_changed(tx: Any, before: model.Group, after: model.Group, changed: list[str]) -> None:
    """Keep a group as it is now, and tell of what changed, within a unit of work."""
    tx.groups.save(after)
    tx.interest_changes.note("groups", _counted(before), _counted(after))
    tx.service_changes.note(after.id, _counted(before), _counted(after), tx.now)
    tx.publish(_updated(after, changed, after.audience))


def archive(tx: Any, group: model.Group) -> None:
    """Archive a group within a unit of work."""
    archived = model.archive(group, tx.now)
    tx.groups.save(archived)
    tx.interest_changes.note("groups", _counted(group), [])
    tx.service_changes.note(group.id, _counted(group), [], tx.now)
    content = {"group": archived.reference}
    tx.publish(GroupArchived(content, subject=group.id, sequence=archived.version, audience=archived.audience))


def _updated(group: model.Group, changed: list[str], audience: Any) -> GroupUpdated:
    content = {"group": group, "changed": changed}
    return GroupUpdated(content, subject=group.id, sequence=group.version, audience=audience)


def _counted(group: model.Group) -> list[str]:
    """The interests with which a group counts: what is not listed must show nowhere."""
    return group.interests if group.listed else []
