"""The rules of common ground: in which order it is told, and with which words one may begin to talk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

MOST = 50
"""How many groups and events are told at most."""
OPENERS = 3

INTEREST_LINES = (
    "I see you like {} as well: what got you into it?",
    "What should everybody who likes {} have tried once?",
    "What would you tell somebody who is new to {}?",
    "What is your best story about {}?",
)
PAIR_LINES = (
    "{} and {}, not either/or: how did you come to like both?",
    "Do you know many people who like {} and {}?",
    "If you had to explain {} by way of {}, how would you begin?",
)
EVENT_LINES = (
    "We were both at “{}”: what will you remember of it?",
    "Whom should I have talked to at “{}”?",
    "Would you come to “{}” again?",
)
GROUP_LINES = (
    "What brought you to {}?",
    "What would you like {} to do next?",
    "Whom in {} should I get to know?",
)


def shared_interests(mine: Iterable[str], theirs: Collection[str], used: Mapping[str, int]) -> list[str]:
    """The interests of both, the rarest first: `used` says how many groups and people have each."""
    return sorted(set(mine).intersection(theirs), key=lambda interest: (used.get(interest, 0), interest))


def may_know(event: Mapping[str, Any], public: Collection[str], own: Collection[str]) -> bool:
    """Whether somebody may still know of an event that they came to: its group is public, or their own (both by id)."""
    return event["group"] in public or event["group"] in own


def openers(people: Iterable[str], interests: Sequence[str], events: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Up to OPENERS lines to begin with, of different kinds, from names of what is shared; none where nothing is.

    The same two people (ids) always get the same, whoever of them asks; others get others.
    """
    pair = "\n".join(sorted(people))
    kinds = [_about_interests(interests), _each(EVENT_LINES, events), _each(GROUP_LINES, groups)]
    lines: list[str] = []
    while kinds and len(lines) < OPENERS:
        kind = kinds.pop(0)
        for choices, things in kind:
            lines.append(_chosen(pair, choices, things))
            kinds.append(kind)
            break
    return lines


Kind = Iterator[tuple[Sequence[str], tuple[str, ...]]]


def _about_interests(interests: Sequence[str]) -> Kind:
    """The rarest two together, where there are two, then one by one."""
    if len(interests) > 1:
        yield PAIR_LINES, (interests[0], interests[1])
    yield from _each(INTEREST_LINES, interests)


def _each(choices: Sequence[str], things: Iterable[str]) -> Kind:
    # Each evening of a series has the same name.
    for thing in dict.fromkeys(things):
        yield choices, (thing,)


def _chosen(pair: str, choices: Sequence[str], things: tuple[str, ...]) -> str:
    line = choices[crc32("\n".join((pair, *things)).encode()) % len(choices)].format(*things)
    return line[0].upper() + line[1:]
