"""The rules about demand: when those who watch for the same are told how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Demand:
    """How many people watch for one set of interests."""

    id: str
    set: str
    """The interests, in the form in which sets are compared (watches.model.set_of)."""
    interests: list[str]
    watchers: int
    told: int
    """The highest level at which they were told, 0 for none."""
    version: int

    @property
    def is_new(self) -> bool:
        """Whether nobody watched for it before."""
        return self.version == 1


def level_reached(demand: Demand, levels: Iterable[int]) -> int | None:
    """The highest of the levels that the demand has reached, if they were not told at it or a higher one."""
    reached = max((one for one in levels if one <= demand.watchers), default=0)
    return reached if reached > demand.told else None


def are_levels(levels: Sequence[int]) -> bool:
    """Whether these numbers of people can be levels: each larger than the one before."""
    return all(one > before for before, one in zip((0, *levels), levels, strict=False))
