"""Publishing that knows what arrived: every message is mandatory and confirmed, and waiting for that has an end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import amqp
import eventlet
from eventlet.event import Event
from eventlet.semaphore import Semaphore

from chassis.connection import Connection

CONFIRM_SECONDS = 5
"""How long a message may take to go out, or its confirm to come, before the connection counts as lost.

A broker that has run out of memory or disk stops reading. One that was killed and comes back may keep a confirm for ever, until
one connects again.
"""


class Unconfirmed(amqp.exceptions.RecoverableConnectionError):
    """A confirm did not come: the message may have arrived or not, and must be published again."""


class Flight:
    """Messages on their way, published in one go: `first` to `last` are their numbers on the channel."""

    def __init__(self, first: int, ids: Sequence[str]) -> None:
        self.first, self.last = first, first + len(ids) - 1
        self.ids = ids
        self.refused: dict[str, str] = {}
        self._before = first - 1
        self._ahead: set[int] = set()
        self._landed = Event()

    def settle(self, tag: int, multiple: bool, refused: bool = False) -> bool:
        """Take one confirm of the broker; says whether all have come."""
        if refused:
            settled = range(self._before + 1, min(tag, self.last) + 1) if multiple else (tag,)
            self.refused |= {self.ids[one - self.first]: "refused" for one in settled if one not in self._ahead}
        if multiple:
            self._before = max(self._before, min(tag, self.last))
            self._ahead = {one for one in self._ahead if one > tag}
        else:
            self._ahead.add(tag)
        return self.last - self._before == len(self._ahead)

    def land(self, fault: Exception | None = None) -> None:
        """Let those who wait go on; with a fault it is raised there."""
        if self._landed.ready():
            return
        if fault is None:
            self._landed.send()
        else:
            self._landed.send_exception(fault)

    def wait(self) -> dict[str, str]:
        """Wait for all confirms; returns what did not arrive, by id, and why. Raises Unconfirmed, OSError, AMQPError."""
        with eventlet.Timeout(CONFIRM_SECONDS, Unconfirmed(f"no confirm within {CONFIRM_SECONDS} s")):
            self._landed.wait()
        return self.refused


class Publisher:
    """A channel with confirms, on a connection that another greenlet reads (`connection.serve`)."""

    def __init__(self, connection: Connection) -> None:
        self.channel = connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._confirmed)
        self.channel.events["basic_nack"].add(self._refused)
        self.channel.events["basic_return"].add(self._returned)
        self._flights: deque[Flight] = deque()
        self._published = 0
        self._publishing = Semaphore()

    def send(self, ids: Sequence[str], write: Callable[[], Any]) -> Flight:
        """Publish messages of these ids (their `message_id`, in this order) by `write`; confirms are not waited for.

        Raises Unconfirmed, OSError, AMQPError; after that the connection is of no use, for it may have half a frame.
        """
        with self._publishing:
            flight = Flight(self._published + 1, ids)
            self._published = flight.last
            self._flights.append(flight)
            with eventlet.Timeout(CONFIRM_SECONDS, Unconfirmed(f"the broker took nothing for {CONFIRM_SECONDS} s")):
                write()
        return flight

    def publish(self, message: amqp.Message, queue: str) -> None:
        """Publish one message to a queue and wait until it is safe there. Raises Unconfirmed, OSError, AMQPError."""

        def write() -> None:
            self.channel.basic_publish(message, routing_key=queue, mandatory=True)

        if refused := self.send([message.properties["message_id"]], write).wait():
            raise Unconfirmed(f"{queue} did not take a message: {', '.join(refused.values())}")

    def fail(self, fault: Exception) -> None:
        """Tell all who wait that the connection has ended."""
        while self._flights:
            self._flights.popleft().land(fault)

    def _confirmed(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple)

    def _refused(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple, refused=True)

    def _settle(self, tag: int, multiple: bool, refused: bool = False) -> None:
        for flight in list(self._flights):
            if flight.first > tag:
                break
            if (multiple or tag <= flight.last) and flight.settle(tag, multiple, refused):
                self._flights.remove(flight)
                flight.land()

    def _returned(self, fault: Any, exchange: str, key: str, message: Any) -> None:
        # The broker returns a message before it confirms it.
        returned = message.properties.get("message_id")
        for flight in self._flights:
            if returned in flight.ids:
                flight.refused[returned] = "unroutable"
