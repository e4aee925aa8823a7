"""A subscription declares in one place what a method listens to, and what it needs of it."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import eventlet
import marshmallow
from nameko.extensions import Entrypoint, register_entrypoint
from pymongo.errors import PyMongoError

from chassis import inbox, metrics, topology, tracing
from chassis.consumer import Consumer
from chassis.messages import PREFIX, Received
from chassis.schemas import Tolerant

MEETINGS = 12
"""How often a method runs again at once because its transaction met another one; after that the message waits."""


class Subscription(Entrypoint):
    """What `@subscribe` and `@subscribe_to_all` declare. See there."""

    consumer = Consumer()

    def __init__(
        self,
        type: str,
        *,
        data: type[marshmallow.Schema] | None,
        projection: str | None = None,
        private: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.type = type
        self.data = data() if data else None
        self.projection = projection
        self.private = private

    @property
    def full_type(self) -> str:
        """The CloudEvents `type` that it listens to."""
        return PREFIX + self.type

    def setup(self) -> None:
        self.consumer.register_provider(self)

    def stop(self) -> None:
        self.consumer.unregister_provider(self)

    def load(self, received: Received) -> dict[str, Any]:
        """What the method gets as `data`. Raises marshmallow.ValidationError when the message lacks what is needed."""
        if self.data is None:
            return received.data
        loaded = self.data.load(received.data)
        assert isinstance(loaded, dict)
        return loaded

    def run(self, function: Callable[..., Any], service: Any, received: Received) -> BaseException | None:
        """Run the method (again while its transaction meets another one). Returns what failed, or None."""
        with tracing.span(f"receive {self.type}", received):
            try:
                self._run(function, service, received)
            except (Exception, eventlet.Timeout) as fault:  # noqa: BLE001 - it is tried again and parked with whatever it is
                return fault
        return None

    def _run(self, function: Callable[..., Any], service: Any, received: Received) -> None:
        pause = 0.002
        for meeting in range(MEETINGS + 1):
            try:
                function(service, received)
                return
            except inbox.AlreadyDone:
                return
            except PyMongoError as fault:
                if meeting == MEETINGS or not fault.has_error_label("TransientTransactionError"):
                    raise
                metrics.transaction_retries.inc()
                eventlet.sleep(random.uniform(0, pause))
                pause = min(pause * 2, 0.2)


def subscribe(
    type: str, *, data: type[Tolerant], projection: str | None = None, private: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of a service class as the receiver of a type of message.

    - `type`: without the prefix, e.g. `groups.member.joined.v1`.
    - `data`: a Tolerant schema that names only what the method needs; a message that lacks it is parked at once.
    - `projection`: the name of the repository in the Store that the method builds, and nothing else: `rebuild` replays
      the log through all methods of a projection.
    - `private`: it is handed to this service alone (`Message.to`), and in no log.

    The method gets `(self, message)`, a Received with `data` as the schema loaded it, and does its work in
    `self.store.transaction(message)`, which makes its effect happen once. Several methods may subscribe to one type; each
    has its own effect, and its own record of it. Order is not given: compare `message.sequence`. What it raises sends the
    message round again, later.
    """
    return _declare(Subscription(type, data=data, projection=projection, private=private))


def subscribe_to_all() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of a service class as the receiver of all messages, of whatever service and type.

    It hears a message after the methods that subscribe to its type. It gets `(self, message)`, a Received with the raw
    `data`; `message.raw` is the whole envelope as it came. It has to have its effect once itself: either in
    `self.store.transaction(message)`, or by writing only what is the same when written again. What it raises sends the
    message round again, later.
    """
    return _declare(Subscription(topology.EVERYTHING, data=None))


def _declare(entrypoint: Subscription) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(service: Any, received: Received) -> BaseException | None:
            return entrypoint.run(function, service, received)

        register_entrypoint(run, entrypoint)
        return run

    return declare
