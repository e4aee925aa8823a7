"""Decides what a person wants to hear of: what they said, else what the table of kinds says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from chassis.problems import Invalid
from notifications.notices.model import KINDS, Cadence

Level = Literal["all", "highlights", "mute"]
LEVELS: tuple[Level, ...] = get_args(Level)
CADENCES: tuple[Cadence, ...] = get_args(Cadence)

MOST_GROUPS = 1_000
"""Of how many groups a person may say how much they want to hear."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when to when, on the clock where the person lives, no mail is sent; they may go over midnight."""

    begin: time
    end: time

    def end_after(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours that hold at `now` are over (UTC), in a time zone; None if none hold."""
        local = now.astimezone(zone)
        if self.begin < self.end:
            quiet = self.begin <= local.time() < self.end
        else:
            quiet = not self.end <= local.time() < self.begin
        if not quiet:
            return None
        day = local.date() + timedelta(days=local.time() >= self.end)
        return datetime.combine(day, self.end, zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person said they want. What they did not speak of is as the table of kinds has it."""

    person: str
    kinds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """`inbox` and `email` by kind, where they differ from the usual."""
    groups: Mapping[str, Level] = field(default_factory=dict)
    """How much they want to hear of a group, by its id."""
    quiet: QuietHours | None = None
    version: int = 1

    def inbox(self, kind: str) -> bool:
        """Whether notices of this kind are to stand in the inbox."""
        wanted: bool = self.kinds.get(kind, {}).get("inbox", True)
        return wanted

    def email(self, kind: str) -> Cadence:
        """When notices of this kind are to be mailed."""
        wanted: Cadence = self.kinds.get(kind, {}).get("email", KINDS[kind].email)
        return wanted

    def not_in_inbox(self) -> list[str]:
        """The kinds that are not to stand in the inbox."""
        return [kind for kind in self.kinds if not self.inbox(kind)]

    def groups_at(self, level: Level) -> frozenset[str]:
        """The groups of which they want to hear so much."""
        return frozenset(group for group, wanted in self.groups.items() if wanted == level)

    def wants(self, kind: str, group: str | None) -> bool:
        """Whether the level of the group that a notice concerns lets it pass."""
        level = self.groups.get(group, "all") if group else "all"
        return level == "all" or (level == "highlights" and KINDS[kind].highlight)

    def resting(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Until when no mail may be sent; None where it may be now."""
        return None if self.quiet is None else self.quiet.end_after(now, zone)


def changeable(preferences: Preferences) -> dict[str, Any]:
    """What a merge patch of the preferences applies to: only what the person said."""
    said: dict[str, Any] = {"defaults": preferences.kinds, "groups": preferences.groups}
    if preferences.quiet is not None:
        said["quiet_hours"] = {"begin": preferences.quiet.begin, "end": preferences.quiet.end}
    return said


def change(before: Preferences, wanted: Mapping[str, Any]) -> Preferences:
    """The preferences as `wanted` says: `defaults`, `groups` and `quiet_hours`, what is left out being as usual.

    The same preferences when that changes nothing. Raises Invalid when it makes no sense.
    """
    kinds = {kind: ways for kind, ways in wanted.get("defaults", {}).items() if ways}
    changed = replace(before, kinds=kinds, groups=wanted.get("groups", {}), quiet=_quiet(wanted.get("quiet_hours")))
    if len(changed.groups) > MOST_GROUPS:
        raise Invalid.at("/groups", f"You can say so of at most {MOST_GROUPS} groups. Take some back with null.")
    return before if changed == before else replace(changed, version=before.version + 1)


def _quiet(hours: Mapping[str, time] | None) -> QuietHours | None:
    if hours is None:
        return None
    for name, public in (("begin", "from"), ("end", "to")):
        if name not in hours:
            raise Invalid.at(f"/quiet_hours/{public}", "Say from when and to when.")
    if hours["begin"] == hours["end"]:
        raise Invalid.at("/quiet_hours/to", "They must end at another time than they begin. null ends them.")
    return QuietHours(hours["begin"], hours["end"])
