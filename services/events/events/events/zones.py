"""Which version of the IANA time zone database this process works by: zones change their rules, and events follow."""

from __future__ import annotations

import zoneinfo
from functools import cache
from importlib import import_module
from pathlib import Path


@cache
def rules_version() -> str:
    """The version, e.g. `2026a`; later ones sort after earlier ones.

    zoneinfo reads the system's database if there is one, else that of the package tzdata. A system that does not say
    which version it has counts as having the package's.
    """
    systems = next((root for root in map(Path, zoneinfo.TZPATH) if (root / "UTC").exists()), None)
    said = _said_in(systems) if systems else None
    return said or str(import_module("tzdata").IANA_VERSION)


def _said_in(root: Path) -> str | None:
    """What a database says of itself: in `+VERSION`, or in the first line of `tzdata.zi` (`# version 2026a`)."""
    for name in ("+VERSION", "tzdata.zi"):
        try:
            with (root / name).open() as file:
                return file.readline().split()[-1]
        except (OSError, IndexError):
            continue
    return None
