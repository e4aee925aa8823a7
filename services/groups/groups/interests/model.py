"""The rules about how interests count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Change:
    """One person or group that took up and dropped interests."""

    id: str
    what: str
    """`groups` or `people`: which of the counts changes."""
    added: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def difference(before: Iterable[str], after: Iterable[str]) -> tuple[list[str], list[str]]:
    """Which interests were added and which dropped."""
    was, now = set(before), set(after)
    return sorted(now - was), sorted(was - now)


def total(changes: Iterable[Change]) -> dict[str, Counter[str]]:
    """By how much the counts of each interest change: `{interest: {"groups": n, "people": n}}`."""
    totals: dict[str, Counter[str]] = {}
    for change in changes:
        for step, names in ((1, change.added), (-1, change.dropped)):
            for name in names:
                totals.setdefault(name, Counter())[change.what] += step
    return totals
