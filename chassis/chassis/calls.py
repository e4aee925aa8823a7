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
from chassis.connection import FAULTS, Connection, Stopping, close_quietly, connect, stay_connected
from chassis.problems import DeadlineExceeded, Problem, Unavailable

if TYPE_CHECKING:
    from chassis.endpoints import Call, Endpoint, Reply

log = logging.getLogger(__name__)

REPLIES = "amq.rabbitmq.reply-to"
ANNOUNCEMENTS = "commonground.contracts"
CONTRACT = "contract"


def queue_of(service: str) -> str:
    """The queue in which calls to a service wait."""
    return f"commonground.calls.{service}"


class CallServer(ProviderCollector, SharedExtension):
    """Takes calls from the service's queue, runs their endpoints as workers, and sends the answers."""

    def setup(self) -> None:
        settings = self.container.config["settings"]
        self.service = self.container.service_name
        self.health = self.container.config["health"]
        self.uri, self.waiting_at_most = settings.amqp_uri, settings.calls_waiting
        self.free = Semaphore(settings.calls_at_once)
        self.at_once = settings.calls_at_once
        self.connection: Connection | None = None
        self.channel: Any = None
        self.stopping = False
        self.health.waiting("calls", "not connected yet")

    def start(self) -> None:
        self.endpoints: dict[str, Endpoint] = {one.method_name: one for one in self._providers}
        self.reader = self.container.spawn_managed_thread(partial(stay_connected, self._consume, self._lost), "calls")

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
        close_quietly(self.connection)

    def kill(self) -> None:
        self.stopping = True
        close_quietly(self.connection)

    def unregister_provider(self, provider: Endpoint) -> None:
        # nameko stops entrypoints first, all at the same time; the first of them stops the intake for all.
        self.stop()
        super().unregister_provider(provider)

    # -- taking calls

    def _consume(self) -> Connection:
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
        self.connection.gather()
        announce = amqp.Message(self.service, delivery_mode=1)
        channel.basic_publish(announce, exchange=ANNOUNCEMENTS)
        self.health.ready("calls")
        return self.connection

    def _lost(self, fault: Exception) -> None:
        self.health.waiting("calls", f"the broker is away: {fault}")
        close_quietly(self.connection)
        self.channel = None

    def _take(self, message: Any) -> None:
        try:
            call = _read(message.body)
        except (ValueError, KeyError, TypeError) as fault:
            log.error("a call that cannot be read was dropped", extra={"fault": f"{type(fault).__name__}: {fault}"})
            return
        if call.deadline < time.time():
            metrics.calls_late.inc()
            return
        # Without a free place this greenlet stops reading, the socket fills, and the queue's bound holds from there on.
        try:
            self.free.acquire()
        except Stopping:
            # Taken already, so it is answered; the greenlet ends after.
            self._begin(call, message)
            raise
        self._begin(call, message)

    def _begin(self, call: Call, message: Any) -> None:
        answer_to = partial(self._answer, message.properties.get("reply_to"), message.properties.get("correlation_id"))
        endpoint = self.endpoints.get(call.endpoint)
        if endpoint is not None:
            finish = partial(self._finish, answer_to, call.deadline)
            self.container.spawn_worker(endpoint, (call,), {}, handle_result=finish)
            return
        self.free.release()
        answer_to(call.deadline, self._own_answer(call))

    def _own_answer(self, call: Call) -> Reply:
        from chassis.endpoints import problem_reply

        if call.endpoint == CONTRACT:
            contract: Reply = self.container.config["contract"]
            return contract
        # An older release of this service took a call for a newer one, during a rollout.
        return problem_reply(Unavailable("This part of the service is being renewed. Try again."), call.id)

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


def _read(payload: bytes) -> Call:
    """The call that a payload holds. Raises ValueError, KeyError or TypeError when it holds none."""
    from chassis.endpoints import Call, Caller

    line, _, body = payload.partition(b"\n")
    head = json.loads(line)
    caller = head["caller"]
    return Call(
        id=head["id"],
        endpoint=head["endpoint"],
        path=head["path"],
        query=head["query"],
        target=head["target"],
        body=body,
        deadline=float(head["deadline"]),
        person=caller and Caller(**{**caller, "scopes": frozenset(caller["scopes"])}),
        address=head["address"],
        traceparent=head["traceparent"],
        if_match=head["if_match"],
        if_none_match=head["if_none_match"],
        idempotency_key=head["idempotency_key"],
        last_event_id=head.get("last_event_id"),
    )


class CallClient:
    """Calls services and waits for their answers, at most until the deadline. One connection, any number of greenlets."""

    def __init__(self, amqp_uri: str, name: str = "caller", on_change: Callable[[bool], None] | None = None) -> None:
        """`on_change(connected)` is called whenever the connection to the broker comes or goes."""
        self.uri, self.name = amqp_uri, name
        self.on_change = on_change or (lambda connected: None)
        self.connection: Connection | None = None
        self.channel: Any = None
        self.ids = itertools.count(1)
        self.waiting: dict[str, Event] = {}
        self.unconfirmed: deque[tuple[int, str]] = deque()
        self.published = 0
        self.publishing = Semaphore()

    @property
    def connected(self) -> bool:
        """Whether calls can be made just now."""
        return self.channel is not None

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self.reader = eventlet.spawn(stay_connected, self._connect, self._lost)

    def stop(self) -> None:
        """Close; whoever still waits is told that the service is not available."""
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

    def _connect(self) -> Connection:
        self.connection = connect(self.uri, self.name)
        channel = self.connection.channel()
        channel.basic_consume(REPLIES, no_ack=True, callback=self._answered)
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirmed)
        channel.events["basic_nack"].add(self._refused)
        channel.events["basic_return"].add(self._returned)
        self.unconfirmed.clear()
        self.published = 0
        self.connection.gather()
        self.channel = channel
        self.on_change(True)
        return self.connection

    def _lost(self, fault: Exception) -> None:
        log.warning("the broker is away", extra={"fault": str(fault)})
        self._disconnect()

    def _disconnect(self) -> None:
        close_quietly(self.connection)
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
