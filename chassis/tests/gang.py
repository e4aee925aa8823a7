"""A service whose work waits for others: what the tests of crews run as a real process."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import eventlet

from chassis.crews import Job, crew
from chassis.settings import Settings
from chassis.store import Repository, Store
from chassis.timers import Tick

AT_ONCE = 3


class Pieces(Repository):
    """Pieces of work: those that are not begun, those at work, those done."""

    collection = "pieces"

    def begin(self) -> dict[str, Any] | None:
        """Take one that nobody has begun."""
        return self.documents.find_one_and_update({"state": "new"}, {"$set": {"state": "begun", "at": time.time()}})

    def end(self, piece: str) -> None:
        """Note that one is done."""
        self.documents.update_one({"_id": piece}, {"$set": {"state": "done"}})

    def may_end(self, piece: str) -> bool:
        """Whether the test lets it end."""
        return self.documents.find_one({"_id": piece, "hangs": True}) is None


class Gang:
    """Works on pieces, some of which hang until they are let go."""

    name = "notebook"  # which is known to the broker
    store: Any = Store(pieces=Pieces)
    settings = Settings()

    @crew(AT_ONCE, seconds=30)
    def work(self, tick: Tick, free: int) -> Sequence[Job]:
        """Begin as much as there are hands for; the first look fails."""
        if self.store.pieces.documents.find_one_and_delete({"_id": "trouble"}):
            self.work.ring()  # type: ignore[attr-defined]
            raise RuntimeError("cannot look")
        taken = [piece for _ in range(free) if (piece := self.store.pieces.begin())]
        return [partial(self._do, piece["_id"]) for piece in taken]

    def _do(self, piece: str) -> bool:
        while not self.store.pieces.may_end(piece):
            eventlet.sleep(0.02)
        if piece.startswith("bad"):
            raise RuntimeError("bad piece")
        self.store.pieces.end(piece)
        return True
