"""Takes messages from a service's queue: each has its effect once; one that fails comes again later and holds up no other.

The acknowledgement is the last thing that happens to a message: its effect is committed, or it is safe elsewhere.
"""

from __future__ import annotations

import hashlib
import logging
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import amqp
import eventlet
from eventlet.event import Event
from marshmallow import ValidationError
from nameko.extensions import ProviderCollector, SharedExtension
from pymongo.errors import PyMongoError

from chassis import inbox, metrics, topology
from chassis.connection import FAULTS, Connection, connect, hang_up, serve
from chassis.messages import PREFIX, Received, Undecodable
from chassis.publisher import Publisher

if TYPE_CHECKING:
    from chassis.subscriptions import Subscription

log = logging.getLogger(__name__)

MEASURE_SECONDS = 15

ATTEMPTS = "cg-attempts"
REASON = "cg-reason"
CONSUMER = "cg-consumer"
FAILED_AT = "cg-failed-at"
PARKED_AT = "cg-parked-at"
"""What a message that failed carries as headers: how often, why, in whose method, since when; parked since when."""

CARRIED = ("traceparent", "audience")
"""The headers of a message itself, which stay with it; nothing else that came with it goes on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message could not be done: by which consumer (`service.method`), and whether trying again can help."""

    consumer: str
    reason: str
    lasting: bool = False


class Lanes:
    """Runs what belongs to one subject one after another, in order of arrival, and different subjects side by side."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self._work = work
        self._waiting: dict[str, deque[Any]] = {}
        self._empty = Event()

    def put(self, subject: str, item: Any) -> None:
        """Have an item worked on after those of the same subject."""
        if subject in self._waiting:
            self._waiting[subject].append(item)
            return
        self._waiting[subject] = deque([item])
        eventlet.spawn(self._run, subject)

    def wait(self) -> None:
        """Wait until nothing is being worked on."""
        while self._waiting:
            self._empty = Event()
            self._empty.wait()

    def _run(self, subject: str) -> None:
        lane = self._waiting[subject]
        try:
            while lane:
                self._work(lane.popleft())
        finally:
            del self._waiting[subject]
            if not self._waiting and not self._empty.ready():
                self._empty.send()


class Session:
    """One connection's worth of consuming: what it delivered can only be acknowledged on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.publisher = Publisher(connection)
        self.channel = connection.channel()
        self.channel.auto_decode = False

    @property
    def alive(self) -> bool:
        return bool(self.connection.connected)

    def consume(self, queue: str, at_once: int, callback: Callable[[Any], None]) -> None:
        self.channel.basic_qos(0, at_once, False)
        self.tag = self.channel.basic_consume(queue, callback=callback)

    def cancel(self) -> None:
        """Ask for no more; what comes meanwhile is not taken and goes back with the connection."""
        try:
            self.channel.basic_cancel(self.tag, nowait=True)
        except FAULTS:
            log.info("the broker was away when the service stopped taking messages")

    def end(self) -> None:
        """Drop the connection: what is not acknowledged comes again."""
        self.connection.collect()
        self.publisher.fail(amqp.exceptions.RecoverableConnectionError("the connection has ended"))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came: the envelope read, and what it takes to settle it."""

    session: Session
    message: Any
    received: Received

    @property
    def headers(self) -> dict[str, Any]:
        return self.message.properties.get("application_headers") or {}

    @property
    def attempts(self) -> int:
        """How often it has failed."""
        count = self.headers.get(ATTEMPTS, 0)
        return count if isinstance(count, int) else 0


class Consumer(ProviderCollector, SharedExtension):
    """Runs the subscriptions of a service for the messages in its inbox queue."""

    retry_seconds: Sequence[float] = topology.RETRY_SECONDS

    def setup(self) -> None:
        settings = self.container.config["settings"]
        self.service = self.container.service_name
        self.uri, self.at_once = settings.amqp_uri, settings.messages_at_once
        self.health = self.container.config["health"]
        self.session: Session | None = None
        self.stopping = False
        self.lanes = Lanes(self._work)
        self.health.waiting("messages", "not connected yet")

    def start(self) -> None:
        self.subscriptions: dict[str, list[Subscription]] = {}
        for one in sorted(self._providers, key=lambda one: one.method_name):
            self.subscriptions.setdefault(one.full_type, []).append(one)
        self.to_all = self.subscriptions.pop(PREFIX + topology.EVERYTHING, [])
        self.database = self.container.config["store"].database
        self.reader = self.container.spawn_managed_thread(self._run, "messages")
        self.container.spawn_managed_thread(self._measure, "messages waiting")

    def unregister_provider(self, provider: Subscription) -> None:
        # nameko stops entrypoints first, all at the same time, while workers and store still stand: the time to drain.
        if not self.stopping:
            self._drain()
        super().unregister_provider(provider)

    def kill(self) -> None:
        self.stopping = True
        self._end()

    def _drain(self) -> None:
        """Take no more, finish and settle what is in flight, close. What was not begun goes back to the queue."""
        self.stopping = True
        self.health.waiting("messages", "stopping")
        if self.session is not None:
            self.session.cancel()
        self.lanes.wait()
        if self.session is not None:
            hang_up(self.session.connection, self.reader)
        self.reader.kill()

    # -- the connection

    def _run(self) -> None:
        pause = 0.1
        while True:
            why = self._serve()
            pause = 0.1 if self.session is not None else min(pause * 2, 2)
            self._end()
            if why is None:
                return
            self.health.waiting("messages", why)
            eventlet.sleep(random.uniform(pause / 2, pause))

    def _serve(self) -> str | None:
        """Take messages until that is no longer possible. Returns what there is to wait for; None to end."""
        why = "the connection has ended"
        try:
            self._connect()
            serve(self.session.connection)  # type: ignore[union-attr]
        except topology.Mismatch:
            # No waiting mends that: the process ends with what is wrong.
            eventlet.spawn(self.container.kill, sys.exc_info())
            return None
        except topology.Missing as fault:
            why = str(fault)
        except FAULTS as fault:
            why = f"the broker is away: {fault}"
        return None if self.stopping else why

    def _end(self) -> None:
        if self.session is not None:
            self.session.end()
            self.session = None

    def _connect(self) -> None:
        connection = connect(self.uri, f"{self.service}-messages")
        try:
            topology.declare(connection, topology.queues_of(self.service, self.retry_seconds))
            types = {one.type for one in self._providers if not one.private}
            topology.declare(connection, topology.bindings_of(self.service, types))
            session = Session(connection)
            session.consume(topology.inbox_of(self.service), self.at_once, partial(self._receive, session))
        except BaseException:
            connection.collect()
            raise
        self.session = session
        self.health.ready("messages")

    def _measure(self) -> None:
        """Tell the metrics how much waits in the service's queues, on connections of its own: the other one reads."""
        names = [one.name for one in topology.queues_of(self.service, self.retry_seconds)]
        while not self.stopping:
            eventlet.sleep(MEASURE_SECONDS)
            try:
                with connect(self.uri, f"{self.service}-measure") as connection, connection.channel() as channel:
                    for name in names:
                        waiting = channel.queue_declare(name, passive=True).message_count
                        metrics.messages_waiting.labels(name).set(waiting)
            except FAULTS:
                continue

    # -- one message

    def _receive(self, session: Session, message: Any) -> None:
        """Called by the reader: sorts the message in and returns at once."""
        if self.stopping:
            return
        message.body = message.body or b""  # py-amqp gives an empty body as text
        try:
            received = Received.decode(message.body)
        except Undecodable as fault:
            failure = Failure("", f"cannot be read: {fault}", lasting=True)
            eventlet.spawn(self._settle, partial(self._park, session, message, [failure], 0), "unknown")
            return
        self.lanes.put(received.subject, Delivery(session, message, received))

    def _work(self, delivery: Delivery) -> None:
        if self.stopping or not delivery.session.alive:
            return
        known = delivery.received.type in self.subscriptions
        kind = delivery.received.type if known else "unknown"
        started = time.perf_counter()
        with metrics.messages_in_flight.track_inprogress():
            self._settle(partial(self._do, delivery), kind)
        if known:
            metrics.message_seconds.labels(kind).observe(time.perf_counter() - started)

    def _settle(self, do: Callable[[], str], kind: str) -> None:
        """Do all there is to do with a message. If the broker fails us, the message stays there and comes again."""
        try:
            metrics.messages_received.labels(kind, do()).inc()
        except FAULTS as fault:
            log.warning("a message was not settled and will come again", extra={"type": kind, "fault": str(fault)})

    def _do(self, delivery: Delivery) -> str:
        """Run all methods for a message and settle it. Returns the outcome."""
        session, message, received = delivery.session, delivery.message, delivery.received
        failures = self._failures(received)
        attempts = delivery.attempts + 1
        if not failures:
            session.channel.basic_ack(message.delivery_tag)
            return "done"
        if any(not one.lasting for one in failures) and attempts <= len(self.retry_seconds):
            return self._retry(delivery, failures, attempts)
        if not self._methods(received.type):
            # The binding is of a release that is gone.
            log.warning("a message that nothing here subscribes to was let go", extra=_named(received))
            session.channel.basic_ack(message.delivery_tag)
            return "ignored"
        return self._park(session, message, failures, attempts)

    def _failures(self, received: Received) -> list[Failure]:
        """Run each method that has not done this message; returns what failed."""
        subscriptions = self._methods(received.type)
        if not subscriptions:
            # During a rollout it may be for a newer release, which shares the queue: it goes round until that has it.
            return [Failure("", "no method of this release subscribes to it")]
        return [failure for one in subscriptions if (failure := self._failure(one, received)) is not None]

    def _methods(self, type: str) -> list[Subscription]:
        """Who hears a message of this type, in order: those who listen to everything hear it when others have done it.

        What was handed to this service alone is for whoever subscribes to it.
        """
        own = self.subscriptions.get(type, [])
        return own if any(one.private for one in own) else own + self.to_all

    def _failure(self, subscription: Subscription, received: Received) -> Failure | None:
        consumer = f"{self.service}.{subscription.method_name}"
        received = replace(received, consumer=consumer)
        fault: Exception | None
        try:
            # Who listens to everything mostly has nothing to do, and is not asked whether that was done.
            if subscription not in self.to_all and inbox.seen(received, self.database):
                return None
            received = replace(received, data=subscription.load(received))
            fault = self._spawn(subscription, received)
        except ValidationError as refused:
            return Failure(consumer, f"its data lacks what is needed: {refused.messages}", lasting=True)
        except Exception as other:  # noqa: BLE001 - whatever it is, the message is tried again and parked with it
            fault = other
        if fault is None:
            return None
        named = {**_named(received), "consumer": consumer, "fault": f"{type(fault).__name__}: {fault}"[:300]}
        # Where the database failed, the way there is no news.
        log.warning("a message failed", extra=named, exc_info=None if isinstance(fault, PyMongoError) else fault)
        return Failure(consumer, f"{type(fault).__name__}: {fault}")

    def _spawn(self, subscription: Subscription, received: Received) -> Exception | None:
        """Run a method as a worker of the container; returns what it failed with."""
        ended = Event()

        def finish(worker: Any, result: Any, fault: Any) -> tuple[Any, Any]:
            ended.send(fault[1] if fault else result)
            return result, fault

        self.container.spawn_worker(subscription, (received,), {}, handle_result=finish)
        failed: Exception | None = ended.wait()
        return failed

    def _retry(self, delivery: Delivery, failures: list[Failure], attempts: int) -> str:
        seconds = self.retry_seconds[attempts - 1]
        headers = _failed(delivery.message, failures, attempts)
        self._move(delivery.session, delivery.message, topology.retry_of(self.service, seconds), headers)
        return "retry"

    def _park(self, session: Session, message: Any, failures: list[Failure], attempts: int) -> str:
        headers = {**_failed(message, failures, attempts), PARKED_AT: _now()}
        self._move(session, message, topology.parked_of(self.service), headers)
        log.error(
            "a message was parked",
            extra={
                "id": identify(message),
                "attempts": attempts,
                "reason": headers[REASON],
                "consumer": headers[CONSUMER],
            },
        )
        return "parked"

    def _move(self, session: Session, message: Any, queue: str, headers: dict[str, Any]) -> None:
        """Bring a message to another queue, where it is safe before it leaves its own."""
        try:
            session.publisher.publish(copy_of(message, headers), queue)
        except FAULTS:
            # With a queue that takes nothing there is no going on: begin again with a connection that declares it.
            session.end()
            raise
        session.channel.basic_ack(message.delivery_tag)


def identify(message: Any) -> str:
    """By which id an operator names a message: its own, or one made from its body."""
    return str(message.properties.get("message_id") or "unnamed_" + hashlib.sha256(message.body).hexdigest()[:16])


def copy_of(message: Any, headers: dict[str, Any]) -> amqp.Message:
    """The same message once more, with what it carries itself and these headers; persistent."""
    had = message.properties
    kept = {name: had[name] for name in ("content_type", "type", "timestamp") if name in had}
    carried = {name: value for name, value in (had.get("application_headers") or {}).items() if name in CARRIED}
    return amqp.Message(
        message.body,
        message_id=identify(message),
        delivery_mode=2,
        application_headers={**carried, **headers},
        **kept,
    )


def _failed(message: Any, failures: list[Failure], attempts: int) -> dict[str, Any]:
    had = message.properties.get("application_headers") or {}
    return {
        ATTEMPTS: attempts,
        REASON: "; ".join(dict.fromkeys(one.reason for one in failures))[:1000],
        CONSUMER: ", ".join(one.consumer for one in failures),
        FAILED_AT: had.get(FAILED_AT) or _now(),
    }


def _named(received: Received) -> dict[str, str]:
    return {"id": received.id, "type": received.type, "subject": received.subject}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
