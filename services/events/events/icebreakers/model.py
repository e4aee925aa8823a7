"""The rules of icebreakers: what two people share beyond the obvious, who comes first, and what one could say."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from zlib import crc32

_ONE = (
    "You both like {first}. Ask {name} how it began.",
    "{name} is into {first}, as you are. Swap your best story about it.",
    "Say hello to {name} and mention {first}: you will not be the only one talking.",
    "{first}: that is what you and {name} can talk about for an hour.",
    "Find {name} and ask what they would show a newcomer to {first}.",
)
_SEVERAL = (
    "You share {first} and {second} with {name}. Which came first for them?",
    "{name} likes {first} as well as {second}, like you. Begin with the one that fewer people know.",
    "Two things to talk about with {name}: {first} and {second}.",
    "Ask {name} whether {first} led them to {second}, or the other way round.",
    "{first} and {second}: not many like both. You and {name} do.",
)
_ONE_ACROSS = (
    "You both like {first}, and {name} comes from “{theirs}”. Ask how the two go together.",
    "{name} knows {first} as you do, and “{theirs}” as you may not. Ask about either.",
    "From “{mine}” and from “{theirs}”, you and {name} both came to {first}. Compare your ways.",
    "Start with {first}, which you share with {name}; then ask what “{theirs}” is like.",
)
_SEVERAL_ACROSS = (
    "{first}, {second}, and a different background, “{theirs}”: ask {name} how that came about.",
    "You and {name} share {first} and {second}, coming from “{mine}” and “{theirs}”. Tell each other how.",
    "{name} comes from “{theirs}” and likes {first} and {second}, like you. Ask which of them surprised them.",
    "Talk with {name} about {first} or {second}, and find out what they see differently after “{theirs}”.",
)
_ACROSS = (
    "{name} comes from “{theirs}”. Ask what people outside of it always get wrong.",
    "You come from “{mine}”, {name} from “{theirs}”. Ask what a good day looks like there.",
    "Ask {name} what brought somebody from “{theirs}” here.",
    "Tell {name} one thing about “{mine}”, and ask for one about “{theirs}”.",
)
WORDINGS = (*_ONE, *_SEVERAL, *_ONE_ACROSS, *_SEVERAL_ACROSS, *_ACROSS)


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody who is going. Interests are in their normal form."""

    id: str
    handle: str
    display_name: str
    interests: Collection[str] = ()
    background: str = ""


@dataclass(frozen=True, slots=True)
class Icebreaker:
    """Somebody to meet: what both share, the rarest first, and an opening line in one of the WORDINGS."""

    person: Attendee
    shared: list[str]
    opener: str
    wording: str


def break_ice(event: str, topic: Collection[str], me: Attendee, others: Iterable[Attendee]) -> list[Icebreaker]:
    """Whom of the `others` at an event `me` would enjoy meeting, best first, each with an opening line.

    Whoever shares the rarest interest comes first, then who shares more, then whose background differs; who has neither
    is left out. The group's own `topic` counts for nothing: all share it. The same people always get the same lines,
    different viewers different ones, and no two neighbours have one wording.
    """
    mine = set(me.interests) - set(topic)
    shared = [(one, mine.intersection(one.interests)) for one in others if one.id != me.id]
    counts = Counter(interest for _, interests in shared for interest in interests)
    found = []
    for one, interests in shared:
        across = differ(me.background, one.background)
        if interests or across:
            rarest_first = sorted(interests, key=lambda interest: (counts[interest], interest))
            chance = crc32(f"{event} {me.id} {one.id}".encode())
            rank = ([counts[interest] for interest in rarest_first], not across, chance, one.id)
            found.append((rank, one, rarest_first, across))
    found.sort(key=lambda each: _more_is_better(each[0]))
    made: list[Icebreaker] = []
    for rank, one, rarest_first, across in found:
        wording = _word(rarest_first, across, rank[2], made[-1].wording if made else None)
        made.append(Icebreaker(one, rarest_first, _say(wording, me, one, rarest_first), wording))
    return made


def differ(one: str, other: str) -> bool:
    """Whether two backgrounds are known and not the same, however they are written."""
    return bool(one.strip() and other.strip()) and _plain(one) != _plain(other)


def _more_is_better(rank: tuple[list[int], bool, int, str]) -> tuple[tuple[float, ...], bool, int, str]:
    # The end of a list counts as something that everybody has: of two lists that begin alike, the longer is first.
    return (*rank[0], float("inf")), *rank[1:]


def _word(shared: list[str], across: bool, chance: int, before: str | None) -> str:
    if len(shared) > 1:
        wordings = _SEVERAL_ACROSS if across else _SEVERAL
    elif shared:
        wordings = _ONE_ACROSS if across else _ONE
    else:
        wordings = _ACROSS
    wording = wordings[chance % len(wordings)]
    return wordings[(chance + 1) % len(wordings)] if wording == before else wording


def _say(wording: str, me: Attendee, one: Attendee, shared: list[str]) -> str:
    first, second = (*shared, "", "")[:2]
    names = {"name": one.display_name, "mine": me.background.strip(), "theirs": one.background.strip()}
    said = wording.format(first=first, second=second, **names)
    return said[0].upper() + said[1:]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
