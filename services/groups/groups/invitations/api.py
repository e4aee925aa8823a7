"""Endpoints for invitations: make, list, revoke. Joining by one is joining (see members)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.ids import new_id
from chassis.schemas import Page
from groups.groups.model import AlreadyArchived, check_visible
from groups.invitations import model
from groups.invitations.codes import code_of, new_code
from groups.invitations.schemas import InvitationsPage, InvitationsQuery, InvitationView, NewInvitation
from groups.moderation.audit import note
from groups.sessions.model import hash_of


class InvitationsApi:
    """Codes that let people into a group, for its organizers and moderators."""

    store: Any
    settings: Any

    @endpoint(
        "POST",
        "/v1/groups/{group}/invitations",
        body=NewInvitation,
        returns=InvitationView,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(AlreadyArchived,),
    )
    def make_invitation(self, call: Call, group: str, body: dict[str, Any]) -> dict[str, Any]:
        """Invite people: whoever joins with the code is in at once, whatever the group's join policy and visibility."""
        identifier = new_id("inv")
        code = new_code(self.settings.signing_key, identifier)
        with self.store.transaction(call) as tx:
            seen = check_visible(tx.groups.seen_by(group, call.caller.id))
            invitation = model.invite(seen, identifier, hash_of(code), body, call.now)
            tx.invitations.add(invitation)
            note(tx, call, seen.id, "invitation.made", invitation=identifier)
        return {**asdict(invitation), "code": code}

    @endpoint(
        "GET", "/v1/groups/{group}/invitations", query=InvitationsQuery, returns=InvitationsPage, access=SIGNED_IN
    )
    def list_invitations(self, call: Call, group: str, query: dict[str, Any]) -> Page:
        """The invitations of a group that have not expired, newest first."""
        seen = check_visible(self.store.groups.seen_by(group, call.caller.id))
        model.check_may_invite(seen)
        found = self.store.invitations.of_group(seen.id, call.now, query.get("cursor"), query["limit"] + 1)
        page = Page.cut(found, query["limit"], lambda one: [one.id])
        key = self.settings.signing_key
        page.items = [{**asdict(one), "code": code_of(key, one)} for one in page.items]
        return page

    @endpoint("DELETE", "/v1/groups/{group}/invitations/{invitation}", status=204, access=SIGNED_IN)
    def revoke_invitation(self, call: Call, group: str, invitation: str) -> None:
        """Revoke an invitation: nobody comes by it any more; who came stays."""
        with self.store.transaction(call) as tx:
            seen = check_visible(tx.groups.seen_by(group, call.caller.id))
            model.check_may_invite(seen)
            if not tx.invitations.remove(invitation, seen.id):
                raise model.NoSuchInvitation()
            note(tx, call, seen.id, "invitation.revoked", invitation=invitation)
