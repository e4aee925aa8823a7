"""Decides what a person sees of all notices, and which of it they have read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chassis.ids import first_id_at
from notifications.audiences.model import ALWAYS
from notifications.notices.model import FAREWELLS, HIGHLIGHTS

MOST_MARKS = 500
"""How many notices are remembered as read one by one. Beyond, all up to the oldest of them counts as read."""

MOST_COUNTED = 1_000
"""How far unread notices are counted."""

CLOCKS_APART = timedelta(minutes=1)
"""How far the clocks of two machines are trusted to be apart at most."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What a person has read: all up to a notice, and some after it, one by one."""

    person: str
    up_to: str = ""
    marks: frozenset[str] = frozenset()

    def has_read(self, notice: str) -> bool:
        """Whether the notice of this id is read."""
        return notice <= self.up_to or notice in self.marks


def read_up_to(reader: Reader, notice: str, now: datetime) -> Reader:
    """All up to and including this notice is read: never less than before, nor more than there can be at `now`."""
    latest = first_id_at("ntc", now + CLOCKS_APART)
    return _settle(replace(reader, up_to=max(reader.up_to, min(notice, latest))))


def read(reader: Reader, notices: Iterable[str]) -> Reader:
    """These notices are read."""
    return _settle(replace(reader, marks=reader.marks | set(notices)))


def _settle(reader: Reader) -> Reader:
    """The same with as few marks as can be: none that `up_to` covers, and not more than MOST_MARKS."""
    marks = sorted(mark for mark in reader.marks if mark > reader.up_to)
    if len(marks) <= MOST_MARKS:
        return replace(reader, marks=frozenset(marks))
    swallowed = marks[: len(marks) - MOST_MARKS]
    return replace(reader, up_to=swallowed[-1], marks=frozenset(marks[len(swallowed) :]))


@dataclass(frozen=True, slots=True)
class View:
    """What of all notices is looked at: those to some audiences, each since a time, but those of one's own doing."""

    audiences: Mapping[str, datetime]
    person: str
    """Who looks: what is not for them is left out."""
    hidden: frozenset[str] = frozenset()
    """Groups nothing of which is seen, but that one was removed from them."""
    muted: frozenset[str] = frozenset()
    """Groups of which one wants to hear nothing."""
    highlights: frozenset[str] = frozenset()
    """Groups of which one wants to hear the highlights only."""
    silent: frozenset[str] = frozenset()
    """Kinds of notice that one does not want here."""
    groups: tuple[str, ...] | None = None
    """Only what concerns these groups."""
    kind: str | None = None
    """Only notices of this kind."""
    unread_of: Reader | None = None
    """Only what this reader has not read."""
    after: str = ""
    """Only what was posted after the notice of this id."""

    def sees(self, notice: str, told: Iterable[str], at: datetime) -> bool:
        """Whether a notice that the query found is in the view: it happened since one belongs to one of its audiences.

        The query finds by id, which says when a notice was posted; after an outage that can be long after it happened.
        """
        belongs = any(at >= self.audiences[audience] for audience in told if audience in self.audiences)
        return belongs and notice > self.after and not (self.unread_of and self.unread_of.has_read(notice))

    def shows(self, notice: Mapping[str, Any]) -> bool:
        """Whether a notice, as it is kept, is in the view: what the query decides for many, decided for one."""
        told = [notice["audience"]] if isinstance(notice["audience"], str) else notice["audience"]
        return (
            self.person not in notice["not_for"]
            and self.kind in (None, notice["kind"])
            and self._wants(notice["kind"], (notice["group"] or {}).get("id"))
            and self.sees(notice["_id"], told, notice["at"])
        )

    def _wants(self, kind: str, group: str | None) -> bool:
        return (
            kind not in self.silent
            and group not in self.muted
            and (group not in self.hidden or kind in FAREWELLS)
            and (group not in self.highlights or kind in HIGHLIGHTS)
            and (self.groups is None or group in self.groups)
        )

    @property
    def is_whole(self) -> bool:
        """Whether it has all that one sees, and not only what is unread, of a kind or group, or after a notice."""
        return self.unread_of is None and self.kind is None and self.groups is None and not self.after

    def floor(self) -> str:
        """The id above which all notices in the view are."""
        return self._above(min(self.audiences.values()))

    def floors(self) -> dict[str, list[str]]:
        """The audiences by the id above which their notices in the view are: few ids where much was read, else many."""
        found: dict[str, list[str]] = {}
        for audience, since in self.audiences.items():
            found.setdefault(self._above(since), []).append(audience)
        return found

    def _above(self, since: datetime) -> str:
        # A notice is posted after it happened, by a clock that is nearly right.
        earliest = "" if since <= ALWAYS else first_id_at("ntc", since - CLOCKS_APART)
        return max(earliest, self.after, self.unread_of.up_to if self.unread_of else "")
