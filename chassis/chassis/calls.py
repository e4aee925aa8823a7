"""Requests and answers over AMQP: transient, with a deadline, raw bytes both ways.

A call is one line of JSON (the head) and the raw body; so is an answer. They go through the default exchange and
RabbitMQ's direct reply-to, unacknowledged: who called waits for a few seconds only, so there is nothing to keep. A
service's queue goes with its last consumer and is bounded, so that a call to a service that is away or overrun comes
back at once instead of waiting in vain.
https://www.rabbitmq.com/docs/direct-reply-to
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import amqp
import eventlet
from eventlet.event import Event
from eventlet.semaphore import Semaphore
from nameko.extensions import ProviderCollector, SharedExtension

from chassis import metrics
from chassis.connection import Connection, connect, tend
from chassis.problems import DeadlineExceeded, Problem, Unavailable

if TYPE_CHECKING:
    from chassis.endpoints import Endpoint, Reply

log = logging.getLogger(__name__)

REPLIES = "amq.rabbitmq.reply-to"
ANNOUNCEMENTS = "commonground.contracts"
CONTRACT = "contract"
FAULTS = (OSError, amqp.AMQPError)


def queue_of(service: str) -> str:
    """The queue in which calls to a service wait."""
    return f"commonground.calls.{service}"


class Stopping(BaseException):
    """Thrown into a greenlet that reads from the broker, to end it where it waits."""


class CallServer(ProviderCollector, SharedExtension):
    """Takes calls from the service's queue, runs their endpoints as workers, and sends the answers."""

    def setup(self) -> None:
        settings = self.container.config["settings"]
        self.service = self.container.service_name
        self.health = self.container.config["health"]
        self.uri, self.waiting_at_most = settings.amqp_uri, settings.calls_waiting
        self.free = Semaphore(settings.calls_at_once)
        self.at_once = settings.calls_at_once
        self.channel: Any = None
        self.stopping = False
        self.health.waiting("calls", "not connected yet")

    def start(self) -> None:
        self.endpoints: dict[str, Endpoint] = {one.method_name: one for one in self._providers}
        self.reader = self.container.spawn_managed_thread(self._serve, "calls")

    def stop(self) -> None:
        """Take no more calls; answer what was taken."""
        if self.stopping:
            return
        self.stopping = True
        self.health.waiting("calls", "stopping")
        self.reader.kill(Stopping)
        self._forgo()
        for _ in range(self.at_once):
            self.free.acquire()
        self._close()

    def kill(self) -> None:
        self.stopping = True
        self._close()

    def unregister_provider(self, provider: Endpoint) -> None:
        # nameko stops entrypoints first, all at the same time; the first of them stops the intake for all.
        self.stop()
        super().unregister_provider(provider)

    # -- taking calls

    def _serve(self) -> None:
        pause = 0.1
        while not self.stopping:
            try:
                self._consume()
                pause = 0.1
                while True:
                    self.connection.drain_events()
            except Stopping:
                return
            except FAULTS as fault:
                self.health.waiting("calls", f"the broker is away: {fault}")
                self._close()
                if not _rest(pause):
                    return
                pause = min(pause * 2, 2)

    def _consume(self) -> None:
        self.connection = connect(self.uri, f"{self.service}-calls")
        channel = self.connection.channel()
        name = queue_of(self.service)
        channel.queue_declare(
            name,
            durable=True,
            auto_delete=True,
            arguments={"x-max-length": self.waiting_at_most, "x-overflow": "reject-publish"},
        )
        self.tag = channel.basic_consume(name, no_ack=True, callback=self._take)
        self.channel = channel
        self.pulse = tend(self.connection)
        self.connection.gather()
        announce = amqp.Message(self.service, delivery_mode=1)
        channel.basic_publish(announce, exchange=ANNOUNCEMENTS)
        self.health.ready("calls")

    def _take(self, message: Any) -> None:
        line, _, body = message.body.partition(b"\n")
        head = json.loads(line)
        if head["deadline"] < time.time():
            metrics.calls_late.inc()
            return
        # Without a free place this greenlet stops reading, the socket fills, and the queue's bound holds from there on.
        try:
            self.free.acquire()
        except Stopping:
            # Taken already, so it is answered; the greenlet ends after.
            self._begin(head, body, message)
            raise
        self._begin(head, body, message)

    def _begin(self, head: dict[str, Any], body: bytes, message: Any) -> None:
        from chassis.endpoints import Call, Caller, problem_reply

        answer_to = partial(self._answer, message.properties.get("reply_to"), message.properties.get("correlation_id"))
        endpoint = self.endpoints.get(head["endpoint"])
        if endpoint is None:
            if head["endpoint"] == CONTRACT:
                reply = self.container.config["contract"]
            else:
                # An older release of this service took a call for a newer one, during a rollout.
                reply = problem_reply(Unavailable("This part of the service is being renewed. Try again."), head["id"])
            answer_to(head["deadline"], reply)
            self.free.release()
            return
        caller = head["caller"]
        if caller is not None:
            caller = Caller(
                caller["id"], caller["handle"], caller["display_name"], frozenset(caller["scopes"]), caller["session"]
            )
        call = Call(
            id=head["id"],
            endpoint=head["endpoint"],
            path=head["path"],
            query=head["query"],
            target=head["target"],
            body=body,
            deadline=head["deadline"],
            person=caller,
            address=head["address"],
            traceparent=head["traceparent"],
            if_match=head["if_match"],
            if_none_match=head["if_none_match"],
            idempotency_key=head["idempotency_key"],
        )
        self.container.spawn_worker(
            endpoint, (call,), {}, handle_result=partial(self._finish, answer_to, call.deadline)
        )

    def _finish(self, answer_to: Callable[..., None], deadline: float, worker: Any, reply: Reply, fault: Any) -> Any:
        self.free.release()
        if reply is not None:
            answer_to(deadline, reply)
        return reply, fault

    def _answer(self, reply_to: str, correlation_id: str, deadline: float, reply: Reply) -> None:
        if time.time() > deadline:
            metrics.answers_late.inc()
            return
        line = json.dumps([reply.status, reply.headers], separators=(",", ":")).encode()
        answer = amqp.Message(line + b"\n" + reply.body, correlation_id=correlation_id, delivery_mode=1)
        try:
            if self.channel is None:
                raise amqp.exceptions.RecoverableConnectionError("the broker is away")
            self.channel.basic_publish(answer, routing_key=reply_to)
        except FAULTS as fault:
            # The caller's connection or ours is gone; at its deadline the caller says so.
            log.warning("answer lost", extra={"fault": str(fault)})

    def _forgo(self) -> None:
        """Stop the deliveries; what was delivered before the broker confirmed that is taken."""
        try:
            if self.channel is not None:
                with eventlet.Timeout(2, False):
                    self.channel.basic_cancel(self.tag)
        except FAULTS:
            log.info("the broker was away when the service stopped taking calls")

    def _close(self) -> None:
        close_quietly(self.__dict__.pop("connection", None))
        self.channel = None
        if pulse := self.__dict__.pop("pulse", None):
            pulse.kill()


class CallClient:
    """Calls services and waits for their answers, at most until the deadline. One connection, any number of greenlets."""

    def __init__(self, amqp_uri: str, name: str = "caller", on_change: Callable[[bool], None] | None = None) -> None:
        """`on_change(connected)` is called whenever the connection to the broker comes or goes."""
        self.uri, self.name = amqp_uri, name
        self.on_change = on_change or (lambda connected: None)
        self.channel: Any = None
        self.ids = itertools.count(1)
        self.waiting: dict[str, Event] = {}
        self.unconfirmed: deque[tuple[int, str]] = deque()
        self.published = 0
        self.publishing = Semaphore()
        self.stopping = False

    @property
    def connected(self) -> bool:
        """Whether calls can be made just now."""
        return self.channel is not None

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self.reader = eventlet.spawn(self._run)

    def stop(self) -> None:
        """Close; whoever still waits is told that the service is not available."""
        self.stopping = True
        self.reader.kill(Stopping)
        self._disconnect()

    def call(
        self, service: str, head: dict[str, Any], body: bytes, deadline: float
    ) -> tuple[int, dict[str, str], bytes]:
        """Call an endpoint: `head` as CallServer reads it, `deadline` in seconds since the epoch. Returns status, headers, body.

        Raises Unavailable when the service or the broker is away or the service's queue is full, DeadlineExceeded when no
        answer came in time; in the latter case the call may have had its effect.
        """
        left = deadline - time.time()
        if left <= 0:
            raise DeadlineExceeded()
        if self.channel is None:
            raise Unavailable("The message broker is away. Try again soon.")
        number = str(next(self.ids))
        answered = self.waiting[number] = Event()
        line = json.dumps({**head, "deadline": deadline}, separators=(",", ":")).encode()
        message = amqp.Message(
            line + b"\n" + body,
            correlation_id=number,
            reply_to=REPLIES,
            delivery_mode=1,
            expiration=str(int(left * 1000) + 1),
        )
        timer = eventlet.Timeout(
            left, DeadlineExceeded("The service did not answer in time; it may still have done it.")
        )
        try:
            with self.publishing:
                self.published += 1
                self.unconfirmed.append((self.published, number))
                self.channel.basic_publish(message, routing_key=queue_of(service), mandatory=True)
            payload: bytes = answered.wait()
        except (*FAULTS, AttributeError) as fault:
            raise Unavailable("The message broker is away. Try again soon.") from fault
        finally:
            timer.cancel()
            self.waiting.pop(number, None)
        line, _, content = payload.partition(b"\n")
        status, headers = json.loads(line)
        return status, headers, content

    # -- the connection

    def _run(self) -> None:
        pause = 0.1
        while not self.stopping:
            try:
                self._connect()
                pause = 0.1
                while True:
                    self.connection.drain_events()
            except Stopping:
                return
            except FAULTS as fault:
                log.warning("the broker is away", extra={"fault": str(fault)})
                self._disconnect()
                if not _rest(pause):
                    return
                pause = min(pause * 2, 2)

    def _connect(self) -> None:
        self.connection = connect(self.uri, self.name)
        channel = self.connection.channel()
        channel.basic_consume(REPLIES, no_ack=True, callback=self._answered)
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirmed)
        channel.events["basic_nack"].add(self._refused)
        channel.events["basic_return"].add(self._returned)
        self.unconfirmed.clear()
        self.published = 0
        self.pulse = tend(self.connection)
        self.connection.gather()
        self.channel = channel
        self.on_change(True)

    def _disconnect(self) -> None:
        close_quietly(self.__dict__.pop("connection", None))
        if pulse := self.__dict__.pop("pulse", None):
            pulse.kill()
        if self.channel is not None:
            self.channel = None
            self.on_change(False)
        for number in list(self.waiting):
            self._fail(number, Unavailable("The message broker went away. It may still have been done."))

    def _answered(self, message: Any) -> None:
        answered = self.waiting.pop(message.properties.get("correlation_id"), None)
        if answered is None:
            metrics.answers_late.inc()
        else:
            answered.send(message.body)

    def _confirmed(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple)

    def _refused(self, tag: int, multiple: bool) -> None:
        for number in self._settle(tag, multiple):
            self._fail(number, Unavailable("The service has too much to do just now. Try again soon."))

    def _returned(self, exception: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._fail(message.properties.get("correlation_id"), Unavailable("The service is away. Try again soon."))

    def _settle(self, tag: int, multiple: bool) -> list[str]:
        """Forget the publications that a confirm speaks of; returns their numbers."""
        settled = []
        if multiple or (self.unconfirmed and self.unconfirmed[0][0] == tag):
            while self.unconfirmed and self.unconfirmed[0][0] <= tag:
                settled.append(self.unconfirmed.popleft()[1])
        else:
            for one in self.unconfirmed:
                if one[0] == tag:
                    settled.append(one[1])
                    self.unconfirmed.remove(one)
                    break
        return settled

    def _fail(self, number: str | None, problem: Problem) -> None:
        answered = self.waiting.pop(number, None) if number else None
        if answered is not None:
            answered.send_exception(problem)


def _rest(seconds: float) -> bool:
    """Wait before connecting again; says whether to go on, which it is not when the reader is being stopped."""
    try:
        eventlet.sleep(seconds)
    except Stopping:
        return False
    return True


def close_quietly(connection: Connection | None) -> None:
    """Close a connection that may be broken, without waiting for it."""
    if connection is None:
        return
    try:
        with eventlet.Timeout(1, False):
            connection.close()
    except FAULTS:
        pass
    finally:
        connection.collect()
