"""The rules about invitations: how many they let in, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.problems import NotFound
from groups.groups.model import MODERATOR, ORGANIZER, AlreadyArchived, Group, check_role


class NoSuchInvitation(NotFound):
    """404: there is none in this group, or none any more."""

    def __init__(self) -> None:
        super().__init__("The group has no such invitation, or none any more.")


@dataclass(slots=True)
class Invitation:
    """What lets as many people into a group, past its join policy, as it says."""

    id: str
    group: str
    code: str
    """The hash of the code; nobody keeps the code itself."""
    uses: int
    max_uses: int
    created_at: datetime
    expires_at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it lets one more in."""
        return self.uses < self.max_uses and now < self.expires_at


def invite(group: Group, identifier: str, code: str, wanted: Mapping[str, Any], now: datetime) -> Invitation:
    """A new invitation into the viewer's group by the hash of its code. Raises NotAllowed, AlreadyArchived."""
    check_may_invite(group)
    if group.archived:
        raise AlreadyArchived()
    expires_at = now + timedelta(hours=wanted["expires_in_hours"])
    return Invitation(identifier, group.id, code, 0, wanted["max_uses"], created_at=now, expires_at=expires_at)


def check_may_invite(group: Group) -> None:
    """Raises NotAllowed unless the viewer may make, see and revoke invitations."""
    check_role(group, ORGANIZER, MODERATOR)
