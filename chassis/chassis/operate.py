"""What an operator does with messages: look at parked ones, replay or drop them, build a projection anew from the log.

A message leaves its queue only when it is safe elsewhere or dropped with a reason; ended anywhere, nothing is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import amqp
import eventlet
from amqp.exceptions import NotFound
from eventlet.semaphore import Semaphore
from marshmallow import ValidationError

from chassis import topology
from chassis.connection import Connection, connect
from chassis.consumer import ATTEMPTS, CONSUMER, FAILED_AT, PARKED_AT, REASON, Lanes, copy_of, identify
from chassis.contract import subscriptions_of
from chassis.messages import Message, Received, Undecodable
from chassis.publisher import CONFIRM_SECONDS, Unconfirmed
from chassis.settings import ServiceSettings, Settings
from chassis.store import OpenStore, Projection, Store, UnitOfWork, open_store


class Refused(Exception):
    """What was asked for cannot be done; the text says why, and what can."""


# -- parked messages


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A message that a service could do nothing with, and what is known of that."""

    id: str
    type: str
    reason: str
    consumer: str
    attempts: int
    failed_at: str
    parked_at: str
    raw: Any

    @classmethod
    def of(cls, message: Any) -> ParkedMessage:
        """Read what the consumer, or the broker, wrote on it."""
        message.body = message.body or b""  # py-amqp gives an empty body as text
        properties = message.properties
        headers = properties.get("application_headers") or {}
        reason = headers.get(REASON, "")
        if not reason and headers.get("x-first-death-reason") == "delivery_limit":
            reason = f"taken {topology.DELIVERY_LIMIT} times and never settled: perhaps it ends the process"
        return cls(
            id=identify(message),
            type=properties.get("type", ""),
            reason=reason or "unknown",
            consumer=headers.get(CONSUMER, ""),
            attempts=headers.get(ATTEMPTS, 0),
            failed_at=headers.get(FAILED_AT, ""),
            parked_at=headers.get(PARKED_AT, ""),
            raw=message,
        )


class Parked(AbstractContextManager["Parked"]):
    """The parked messages of a service. It holds those that were looked at until it is closed; then they stand as before."""

    def __init__(self, amqp_uri: str, service: str) -> None:
        self.service = service
        self.queue = topology.parked_of(service)
        self.connection = connect(amqp_uri, f"{service}-operator")
        self.channel = self.connection.channel()
        self.channel.auto_decode = False
        self._returned: list[str] = []
        self.channel.events["basic_return"].add(lambda code, text, *_: self._returned.append(text))

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def each(self) -> Iterator[ParkedMessage]:
        """The messages that are parked now, oldest first. Raises Refused when the service has no such queue."""
        try:
            count = self.channel.queue_declare(self.queue, passive=True).message_count
        except NotFound:
            raise Refused(f"There is no queue {self.queue}. A service has one from its first start on.") from None
        for _ in range(count):
            message = self.channel.basic_get(self.queue)
            if message is None:
                return
            yield ParkedMessage.of(message)

    def find(self, identifier: str) -> list[ParkedMessage]:
        """All copies of one message. Raises Refused when there is none."""
        found = [one for one in self.each() if one.id == identifier]
        if not found:
            raise Refused(
                f"No message {identifier} is parked for {self.service}. `parked list` names those that are; "
                "another operator's command may hold it just now."
            )
        return found

    def replay(self, parked: ParkedMessage) -> None:
        """Send a message to the service again, as if for the first time. Raises Unconfirmed when it stays parked."""
        self._returned.clear()
        inbox = topology.inbox_of(self.service)
        try:
            self.channel.basic_publish_confirm(
                copy_of(parked.raw, {}), routing_key=inbox, mandatory=True, confirm_timeout=CONFIRM_SECONDS
            )
        except (amqp.exceptions.MessageNacked, TimeoutError) as fault:
            raise Unconfirmed(f"{inbox} did not take {parked.id}: it stays parked") from fault
        if self._returned:
            raise Unconfirmed(f"{inbox} is not there ({self._returned[0]}): {parked.id} stays parked")
        self.channel.basic_ack(parked.raw.delivery_tag)

    def drop(self, parked: ParkedMessage) -> None:
        """Forget a message for good."""
        self.channel.basic_ack(parked.raw.delivery_tag)


# -- rebuilding a projection

AT_ONCE = 32
PREFETCH = 500
QUIET_SECONDS = 1.0
LOOK_SECONDS = 3.0
"""The end of the log is where nothing comes for the first, or, where something always comes, what the second reaches."""

Progress = Callable[[int, int, int], None]
"""Told now and then: messages read, the last one there is to read, messages that concerned the projection."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How a rebuilding went: messages read, messages that concerned the projection, and those whose data was refused."""

    read: int
    applied: int
    refused: int


class Rebuilding:
    """Builds a projection of a service anew from the log, beside the old one, and puts it in the old one's place.

    The service runs on: it answers from the old one until the new one is complete. What arrives between is in the log, and is
    replayed again after the exchange; the sequence keeps what is newer.
    """

    def __init__(self, service: type[Any], projection: str, settings: ServiceSettings) -> None:
        self.service, self.settings = service, settings
        declared = next((one for name in dir(service) if isinstance(one := getattr(service, name), Store)), None)
        repository = declared.repositories.get(projection) if declared else None
        if declared is None or repository is None or not issubclass(repository, Projection):
            known = [
                name for name, one in (declared.repositories if declared else {}).items() if issubclass(one, Projection)
            ]
            raise Refused(f"{service.name} has no projection {projection!r}. It has: {', '.join(known) or 'none'}.")
        self.methods: dict[str, list[tuple[str, Any]]] = {}
        for name, one in subscriptions_of(service):
            if one.projection == projection:
                self.methods.setdefault(one.full_type, []).append((name, one))
        if not self.methods:
            raise Refused(f"No method of {service.name} subscribes with projection={projection!r}.")
        self.repository = repository
        name = repository.collection + ".rebuilt"
        shadow = type(repository.__name__, (repository,), {"collection": name})
        self.client = open_store(settings.mongo_uri, service.name, {}).client
        self.aside = _ReplayStore(self.client, service.name, {**declared.repositories, projection: shadow})
        self.in_place = _ReplayStore(self.client, service.name, declared.repositories)
        self.shadow = self.aside.database[name]
        self.applied = self.refused = self.read = 0
        self.fault: Exception | None = None

    def run(self, progress: Progress, even_if_incomplete: bool = False) -> Rebuilt:
        """Do it. Raises Refused when the log no longer reaches back to the beginning, unless that is accepted."""
        self.shadow.drop()
        try:
            if self.repository.indexes:
                self.shadow.create_indexes(list(self.repository.indexes))
            else:
                self.aside.database.create_collection(self.shadow.name)
            done = self._replay(self.aside, -1, progress, even_if_incomplete)
            done = self._replay(self.aside, done, progress)
            self.shadow.rename(self.repository.collection, dropTarget=True)
            self._replay(self.in_place, done, progress)
        finally:
            self.shadow.drop()
            self.client.close()
        return Rebuilt(self.read, self.applied, self.refused)

    def _replay(self, store: OpenStore, after: int, progress: Progress, even_if_incomplete: bool = True) -> int:
        """Replay what stands in the log after an offset, to the end as it is now; returns that end."""
        end = last_offset(self.settings.amqp_uri)
        if end <= after:
            return after
        lanes = Lanes(lambda work: work())
        free = Semaphore(AT_ONCE)
        told = time.monotonic()
        for offset, message in read_log(self.settings.amqp_uri, after + 1, end):
            if offset > after + 1 and self.read == 0 and not even_if_incomplete:
                raise Refused(
                    f"The log begins with message {offset}: {offset} older ones have passed their time ({topology.LOG_AGE}). "
                    "What only they told would be missing. Nothing was changed."
                )
            self.read += 1
            if message.properties.get("type") in self.methods:
                free.acquire()
                self._put(lanes, store, message, free)
            if self.fault is not None:
                break
            if time.monotonic() > told + 1:
                told = time.monotonic()
                progress(offset, end, self.applied)
        lanes.wait()
        if self.fault is not None:
            raise self.fault
        progress(end, end, self.applied)
        return end

    def _put(self, lanes: Lanes, store: OpenStore, message: Any, free: Semaphore) -> None:
        try:
            received = Received.decode(message.body)
        except Undecodable:
            self.refused += 1
            free.release()
            return

        def work() -> None:
            try:
                self._apply(store, received)
            finally:
                free.release()

        lanes.put(received.subject, work)

    def _apply(self, store: OpenStore, received: Received) -> None:
        instance = self.service()
        for name in dir(self.service):
            declared = getattr(self.service, name)
            if isinstance(declared, Store | Settings):
                setattr(instance, name, store if isinstance(declared, Store) else self.settings)
        for name, subscription in self.methods[received.type]:
            try:
                loaded = replace(received, data=subscription.load(received))
            except ValidationError:
                self.refused += 1
                continue
            fault = getattr(instance, name)(loaded)
            if fault is not None and self.fault is None:
                self.fault = Refused(
                    f"{name} failed on {received.id}: {type(fault).__name__}: {fault}. Nothing was changed."
                )
                self.fault.__cause__ = fault
        self.applied += 1


class _ReplayStore(OpenStore):
    """A store in which nothing is published: the world has heard it."""

    def transaction(self, cause: Any, *, turn: str | None = None) -> UnitOfWork:
        return _ReplayUnitOfWork(self, cause, turn)


class _ReplayUnitOfWork(UnitOfWork):
    def publish(self, message: Message) -> None:
        raise TypeError("a method of a projection publishes nothing: put that into a subscription of its own")


# -- the log


def last_offset(amqp_uri: str) -> int:
    """The offset of the last message in the log, or -1 when it is empty."""
    last = -1
    end = time.monotonic() + LOOK_SECONDS
    with closing(_read(amqp_uri, "last", QUIET_SECONDS)) as found:
        for offset, _ in found:
            last = offset
            if time.monotonic() > end:
                break
    return last


def read_log(amqp_uri: str, first: int, last: int) -> Iterator[tuple[int, Any]]:
    """The messages of the log from one offset to another, each with its own. Raises Refused when it goes silent before."""
    with closing(_read(amqp_uri, first, 30)) as found:
        for offset, message in found:
            if offset <= last:
                yield offset, message
            if offset >= last:
                return
    raise Refused(f"The log went silent before message {last}. Nothing was changed; try again.")


def _read(amqp_uri: str, start: int | str, quiet_seconds: float) -> Generator[tuple[int, Any], None, None]:
    """What stands in the log from an offset (or chunk) on, until nothing comes any more.

    https://www.rabbitmq.com/docs/streams#consuming
    """
    with connect(amqp_uri, "log-reader") as connection:
        channel = connection.channel()
        channel.auto_decode = False
        arrived: list[Any] = []
        channel.basic_qos(0, PREFETCH, False)
        channel.basic_consume(topology.LOG, callback=arrived.append, arguments={"x-stream-offset": start})
        while _arrives(connection, quiet_seconds):
            taken, arrived[:] = arrived[:], []
            for message in taken:
                offset = message.properties["application_headers"]["x-stream-offset"]
                if not isinstance(start, int) or offset >= start:
                    yield offset, message
            if taken:
                # Acknowledging is what lets the broker send more.
                channel.basic_ack(taken[-1].delivery_tag, multiple=True)


def _arrives(connection: Connection, seconds: float) -> bool:
    arrived = False
    with eventlet.Timeout(seconds, False):
        connection.drain_events()
        arrived = True
    return arrived
