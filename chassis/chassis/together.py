"""Deciding together what waits for the same thing: one transaction for many answers, instead of many that collide."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import eventlet
from eventlet.event import Event

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 200


class Together(Generic[Item, Result]):
    """Hands items that wait for the same key to `decide(key, items)` as one batch, in order of arrival, one batch at a time.

    `decide` returns a result for each item, in their order; a result that is an exception is raised for the item's caller.
    An exception that `decide` raises is raised for all of the batch. At most `most` items make a batch; nobody waits for a
    batch to fill: what has gathered while the one before was decided, and for `gather_seconds`, is the next.
    """

    def __init__(
        self,
        decide: Callable[[Any, list[Item]], Sequence[Result | Exception]],
        most: int = MOST,
        gather_seconds: float = 0.0,
    ) -> None:
        self.decide, self.most, self.gather_seconds = decide, most, gather_seconds
        self.waiting: dict[Hashable, list[tuple[Item, Event]]] = {}

    def do(self, key: Hashable, item: Item) -> Result:
        """Have `item` decided with what else waits for `key`; returns its result."""
        return self.begin(key, item)()

    def begin(self, key: Hashable, item: Item) -> Callable[[], Result]:
        """As `do`, but go on meanwhile: the function that this gives waits for the result and returns it."""
        decided = Event()
        queue = self.waiting.get(key)
        if queue is not None:
            queue.append((item, decided))
        else:
            # Nobody decides for this key yet. An own greenlet does, so that no caller stays to serve those behind it.
            self.waiting[key] = [(item, decided)]
            eventlet.spawn(self._decide_all, key)
        wait: Callable[[], Result] = decided.wait
        return wait

    def _decide_all(self, key: Hashable) -> None:
        try:
            while self.waiting[key]:
                if self.gather_seconds:
                    eventlet.sleep(self.gather_seconds)
                batch = self.waiting[key][: self.most]
                self._decide(key, batch)
                del self.waiting[key][: len(batch)]
        finally:
            # Only a killed greenlet leaves someone here; they must not wait for ever.
            for _, decided in self.waiting.pop(key):
                if not decided.ready():
                    decided.send_exception(RuntimeError("the process is ending"))

    def _decide(self, key: Hashable, batch: list[tuple[Item, Event]]) -> None:
        try:
            results = self.decide(key, [item for item, _ in batch])
        except Exception as fault:  # noqa: BLE001 - whatever it is, those who wait are told
            results = [fault] * len(batch)
        for (_, decided), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                decided.send_exception(result)
            else:
                decided.send(result)
