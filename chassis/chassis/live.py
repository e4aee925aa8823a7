"""Wakes those who wait for news: a service says that there may be something new, and whoever waits comes and asks.

A wake carries no news, only *topics*: for whom there may be some. RabbitMQ brings it to the processes in which somebody
waits for one of them, and to no other. It is transient and not confirmed: what a person may see is decided by the service
when it is asked, so nothing leaks by a wake, and since those who wait ask now and then anyway, nothing is missed without one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

import amqp
import eventlet
from nameko.extensions import DependencyProvider

from chassis.connection import FAULTS, Connection, Stopping, close_quietly, connect, stay_connected
from chassis.topology import live_of

log = logging.getLogger(__name__)

TOPICS_AT_ONCE = 1_000
"""How many topics one wake has at most: they stand in one frame."""

NEWS = "news"
"""There may be something new for those who wait for these topics."""
MOVED = "moved"
"""Those who wait for these topics may have to wait for others from now on."""


class Live(DependencyProvider):
    """The dependency by which a service wakes: `live = Live()`; in a worker `self.live.news(topics)`, after the commit.

    While the broker is away, and outside a container, it does nothing.
    """

    channel: Any = None
    connection: Connection | None = None

    def start(self) -> None:
        settings, self.exchange = self.container.config["settings"], live_of(self.container.service_name)
        open_ = partial(self._open, settings.amqp_uri, f"{self.container.service_name}-live")
        self.keeper = self.container.spawn_managed_thread(partial(stay_connected, open_, self._lost), "live")

    def stop(self) -> None:
        self.keeper.kill(Stopping)
        self.channel = None
        close_quietly(self.connection)

    def kill(self) -> None:
        close_quietly(self.connection)

    def get_dependency(self, worker_ctx: Any) -> Live:
        return self

    def news(self, topics: Iterable[str]) -> None:
        """There may be something new for those who wait for these topics."""
        self._wake(NEWS, topics)

    def moved(self, topics: Iterable[str]) -> None:
        """Those who wait for these topics may have to wait for others from now on."""
        self._wake(MOVED, topics)

    def _wake(self, kind: str, topics: Iterable[str]) -> None:
        for part in _cut(sorted(set(topics)), TOPICS_AT_ONCE):
            if self.channel is None:
                return
            # One message for all topics: it reaches each queue once, however many of its topics it has.
            # https://www.rabbitmq.com/docs/sender-selected
            wake = amqp.Message(
                json.dumps(part).encode(), type=kind, delivery_mode=1, application_headers={"CC": part[1:]}
            )
            try:
                self.channel.basic_publish(wake, exchange=self.exchange, routing_key=part[0])
            except FAULTS as fault:
                log.info("nobody was woken", extra={"fault": str(fault)})

    def _open(self, uri: str, name: str) -> Connection:
        self.connection = connect(uri, name)
        channel = self.connection.channel()
        self.connection.gather()
        self.channel = channel
        return self.connection

    def _lost(self, fault: Exception) -> None:
        log.warning("nobody can be woken; those who wait ask now and then", extra={"fault": _why(fault)})
        self.channel = None
        close_quietly(self.connection)
        _leave_alone(fault)


class Wakes:
    """Where somebody waits: hears the wakes of services for the topics that were asked for, on a queue of its own.

    The queue goes with its connection; when that comes back, all topics are asked for again.
    """

    def __init__(
        self, amqp_uri: str, name: str, on_wake: Callable[[str, str, list[str]], None], on_bound: Callable[[], None]
    ) -> None:
        """`on_wake(service, kind, topics)` is called for each one; `on_bound()` when all topics that were asked for until
        shortly before are heard of from now on: something may have been missed before. Neither must wait."""
        self.uri, self.name, self.on_wake, self.on_bound = amqp_uri, name, on_wake, on_bound
        self.topics: dict[str, set[str]] = {}
        self.connection: Connection | None = None
        self.channel: Any = None
        self.marked = False

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self.reader = eventlet.spawn(stay_connected, self._listen, self._lost)

    def stop(self) -> None:
        """Close."""
        self.reader.kill(Stopping)
        close_quietly(self.connection)

    def ask_for(self, service: str, topics: Collection[str]) -> None:
        """Hear of these topics too. Does not wait until that is so, see `on_bound`."""
        self.topics.setdefault(service, set()).update(topics)
        self._tell(lambda channel: self._bind(channel, service, topics))

    def forgo(self, service: str, topics: Collection[str]) -> None:
        """Hear of these topics no more."""
        known = self.topics.get(service, set())
        known.difference_update(topics)

        def unbind(channel: Any) -> None:
            for topic in topics:
                channel.queue_unbind(self.queue, live_of(service), topic, nowait=True)

        self._tell(unbind)

    def _listen(self) -> Connection:
        self.connection = connect(self.uri, f"{self.name}-live")
        channel = self.connection.channel()
        self.queue = channel.queue_declare(exclusive=True, auto_delete=True).queue
        channel.basic_consume(self.queue, no_ack=True, callback=self._heard)
        self.connection.gather()
        self.marked = False
        self.channel = channel
        for service, topics in self.topics.items():
            self._bind(channel, service, topics)
        return self.connection

    def _lost(self, fault: Exception) -> None:
        log.warning("wakes cannot be heard; those who wait ask now and then", extra={"fault": _why(fault)})
        self.channel = None
        close_quietly(self.connection)
        _leave_alone(fault)

    def _tell(self, do: Callable[[Any], None]) -> None:
        if self.channel is not None:
            try:
                do(self.channel)
            except FAULTS as fault:
                log.info("the broker is away", extra={"fault": str(fault)})  # its reader connects again, and binds all

    def _bind(self, channel: Any, service: str, topics: Iterable[str]) -> None:
        for topic in topics:
            channel.queue_bind(self.queue, live_of(service), topic, nowait=True)
        if not self.marked:
            # A channel's methods are done in their order, so when this comes back the bindings stand.
            self.marked = True
            eventlet.spawn_n(self._mark)

    def _mark(self) -> None:
        """Send ourselves a message behind all that was asked for in this turn of the hub."""
        self.marked = False
        mark = amqp.Message(b"[]", type="", delivery_mode=1)
        self._tell(lambda channel: channel.basic_publish(mark, routing_key=self.queue))

    def _heard(self, message: Any) -> None:
        kind, exchange = message.properties.get("type"), message.delivery_info["exchange"]
        if not exchange:
            self.on_bound()
            return
        try:
            topics = [str(one) for one in json.loads(message.body)]
        except ValueError:
            log.error("a wake that cannot be read was dropped", extra={"exchange": exchange})
            return
        self.on_wake(exchange.removeprefix(live_of("")), str(kind), topics)


REFUSED_SECONDS = 5.0
"""How long to leave the broker alone after it refused something: an operator must do something first."""


def _why(fault: Exception) -> str:
    if isinstance(fault, amqp.NotFound):
        return f"{fault.reply_text}: `python -m chassis topology` declares it"
    return str(fault)


def _leave_alone(fault: Exception) -> None:
    if isinstance(fault, amqp.NotFound | amqp.AccessRefused):
        eventlet.sleep(REFUSED_SECONDS)


def _cut(topics: list[str], size: int) -> Iterable[list[str]]:
    return (topics[start : start + size] for start in range(0, len(topics), size))
