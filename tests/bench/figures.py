"""What a bench hands back: figures, and what each target says of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """Something measured, and how: a rate and latencies, or one value with its unit."""

    what: str
    rate: float | None = None
    """How many in a second."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Target:
    """What must be reached, and what was."""

    what: str
    value: float
    bound: float
    side: Literal["at least", "at most", "exactly"]
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the value is on the right side of its bound."""
        if self.side == "exactly":
            return self.value == self.bound
        return self.value >= self.bound if self.side == "at least" else self.value <= self.bound


@dataclass
class Result:
    """All that one bench says."""

    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """What helps to understand the figures: only in the JSON file."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def latencies(what: str, seconds: Sequence[float], rate: float | None = None) -> Figure:
    """The figure for latencies given in seconds."""
    return Figure(what, rate=rate, p50_ms=percentile(seconds, 50) * 1000, p99_ms=percentile(seconds, 99) * 1000)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Ours to theirs, measured in turns: the median over the rounds, so that noise that hits one of them is not counted."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
