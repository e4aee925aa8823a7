"""Lets units of work that would meet in the database go one after another, in the order in which they came.

Of two transactions that write one document MongoDB refuses the second, and who comes back by chance may be refused again
and again while others overtake: for a second and more on a busy machine. Within a process nobody needs to be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import eventlet
from eventlet.semaphore import Semaphore


class TooLong(Exception):
    """One's turn did not come in time."""


class Turns:
    """A queue for each key that somebody has taken; a key that nobody waits for takes no room."""

    def __init__(self) -> None:
        self._queues: dict[str, Semaphore] = {}
        self._concerned: dict[str, int] = {}

    def free(self, key: str) -> bool:
        """Whether nobody has this turn or waits for it."""
        return key not in self._queues

    @contextmanager
    def take(self, key: str, seconds: float | None = None) -> Iterator[None]:
        """Wait for one's turn, and keep it until the block ends. Raises TooLong when it has not come after `seconds`."""
        queue = self._queues.setdefault(key, Semaphore())
        self._concerned[key] = self._concerned.get(key, 0) + 1
        try:
            with eventlet.Timeout(seconds, TooLong(key)):
                queue.acquire()
            try:
                yield
            finally:
                queue.release()
        finally:
            self._concerned[key] -= 1
            if not self._concerned[key]:
                del self._queues[key], self._concerned[key]
