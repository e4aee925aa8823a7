"""What is known of a person to whom something is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Profile:
    """How a person is called, where they live, and which language they read."""

    name: str
    time_zone: str = "UTC"
    locale: str = "en"

    @property
    def zone(self) -> ZoneInfo:
        """Their time zone; UTC where this machine does not know it."""
        return zone_of(self.time_zone)


@lru_cache(maxsize=1_000)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name, or UTC where this machine has never heard of it."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return ZoneInfo("UTC")
