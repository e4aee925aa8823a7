"""What stands on the broker, and who may do what with it: said here only, so that no two parts declare it differently.

The operator declares what is shared (`python -m chassis topology groups events …`); each service declares its own queues
when it starts. Declaring again changes nothing; finding something else under the same name is fatal (Mismatch).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from amqp.exceptions import NotFound, PreconditionFailed

from chassis.connection import Connection

MESSAGES = "commonground.messages"
LOG = "commonground.log"
AUDIENCE = "commonground.audience"
PUBLIC = "commonground.public"
PUBLIC_LOG = "commonground.public.log"
CONTRACTS = "commonground.contracts"
EVERYTHING = "#"
"""The routing key that brings all messages, whatever their type."""

RETRY_SECONDS = (1, 5, 30, 120, 600)
"""How long a message that failed waits before it is tried again, the first time, the second time, …"""

# A message that was taken and not settled this often ended the process each time: it is parked without another try.
DELIVERY_LIMIT = 20
# Looking at parked messages counts as delivering them, and RabbitMQ 4 drops what was delivered 20 times unless told
# otherwise. A number that is never reached is understood by all versions alike; -1 is not.
NEVER = 1_000_000_000

LOG_AGE = "30D"
# Whole segments age, so they must be small for old messages to go in time.
LOG_SEGMENT_BYTES = 20_000_000


class Mismatch(Exception):
    """Something of the same name stands on the broker, declared differently. The text says what mends that."""


class Missing(Exception):
    """Something that another one declares is not on the broker yet; it is worth waiting for."""


@dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str

    def declare(self, channel: Any) -> None:
        channel.exchange_declare(self.name, self.type, durable=True, auto_delete=False)


@dataclass(frozen=True)
class Queue:
    """A durable, replicated queue or stream."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def declare(self, channel: Any) -> None:
        channel.queue_declare(self.name, durable=True, auto_delete=False, arguments=self.arguments)


@dataclass(frozen=True)
class Binding:
    """What goes from an exchange to a queue, or to another exchange."""

    source: str
    destination: str
    key: str = "#"
    arguments: dict[str, Any] = field(default_factory=dict)
    to_exchange: bool = False

    @property
    def name(self) -> str:
        return f"the binding of {self.destination} to {self.source} by {self.key!r}"

    def declare(self, channel: Any) -> None:
        bind = channel.exchange_bind if self.to_exchange else channel.queue_bind
        bind(self.destination, self.source, self.key, arguments=self.arguments)


Declared = Exchange | Queue | Binding


def exchange_of(service: str) -> str:
    """The exchange to which a service publishes, and no other one does."""
    return f"commonground.{service}"


def live_of(service: str) -> str:
    """The exchange over which a service wakes those who wait for news, by topic (see chassis.live)."""
    return f"commonground.live.{service}"


def inbox_of(service: str) -> str:
    """The queue of all that a service listens to."""
    return f"commonground.{service}.inbox"


def parked_of(service: str) -> str:
    """The queue of messages that a service could not do anything with."""
    return f"commonground.{service}.parked"


def retry_of(service: str, seconds: float) -> str:
    """The queue in which failed messages wait for so long before they come back to the inbox."""
    return f"commonground.{service}.retry.{seconds:g}s"


def shared(services: Iterable[str]) -> list[Declared]:
    """What all share, and the exchange of each service that publishes. Declared by the operator."""
    stream = {"x-queue-type": "stream", "x-max-age": LOG_AGE, "x-stream-max-segment-size-bytes": LOG_SEGMENT_BYTES}
    found: list[Declared] = [
        Exchange(MESSAGES, "topic"),
        Exchange(AUDIENCE, "headers"),
        Exchange(PUBLIC, "topic"),
        Exchange(CONTRACTS, "fanout"),
        Queue(LOG, stream),
        Queue(PUBLIC_LOG, stream),
        # What takes messages away stands before what brings them, so that none is published that the log misses.
        Binding(PUBLIC, PUBLIC_LOG),
        Binding(AUDIENCE, PUBLIC, "", {"x-match": "all", "audience": "public"}, to_exchange=True),
        Binding(MESSAGES, AUDIENCE, to_exchange=True),
        Binding(MESSAGES, LOG),
    ]
    for service in services:
        found += [Exchange(exchange_of(service), "topic"), Binding(exchange_of(service), MESSAGES, to_exchange=True)]
        found.append(Exchange(live_of(service), "direct"))
    return found


def queues_of(service: str, retry_seconds: Sequence[float] = RETRY_SECONDS) -> list[Declared]:
    """The queues of a service that consumes: inbox, one for each delay of a retry, parked. Declared by the service."""

    def quorum(limit: int, **arguments: Any) -> dict[str, Any]:
        return {"x-queue-type": "quorum", "x-delivery-limit": limit, **arguments}

    def then(queue: str) -> dict[str, Any]:
        """Dead letters go to `queue`, and leave theirs only when they are safe there.

        https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
        """
        return {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }

    parked, waiting = parked_of(service), inbox_of(service)
    found: list[Declared] = [Queue(parked, quorum(NEVER)), Queue(waiting, quorum(DELIVERY_LIMIT, **then(parked)))]
    for seconds in retry_seconds:
        ttl = {"x-message-ttl": int(seconds * 1000)}
        found.append(Queue(retry_of(service, seconds), quorum(NEVER, **ttl, **then(waiting))))
    return found


def bindings_of(service: str, types: Iterable[str]) -> list[Declared]:
    """What brings messages of these types (without prefix) into a service's inbox. Declared by the service."""
    return [Binding(MESSAGES, inbox_of(service), key) for key in sorted(types)]


def declare(connection: Connection, wanted: Iterable[Declared]) -> None:
    """Declare what is wanted, in order. Raises Mismatch, Missing, or amqp.AccessRefused when the account may not."""
    for one in wanted:
        # A refusal closes the channel, so each has its own.
        channel = connection.channel()
        try:
            one.declare(channel)
        except PreconditionFailed as fault:
            raise Mismatch(_advice(one, fault.reply_text)) from fault
        except NotFound as fault:
            raise Missing(_missing(fault.reply_text)) from fault
        channel.close()


def expect(connection: Connection, exchange: str, queue: str) -> None:
    """See whether an exchange and a queue that others declare are there. Raises Missing."""
    channel = connection.channel()
    try:
        channel.exchange_declare(exchange, "topic", passive=True)
        channel.queue_declare(queue, passive=True)
    except NotFound as fault:
        raise Missing(_missing(fault.reply_text)) from fault
    channel.close()


def _missing(text: str) -> str:
    """What is missing, and who makes it. RabbitMQ says: `no exchange 'commonground.x' in vhost '/'`."""
    found = re.search(r"no (exchange|queue) '([^']+)'", text)
    name = f"{found[1]} {found[2]}" if found else text
    return f"{name} does not exist yet: `python -m chassis topology` declares it"


def _advice(one: Declared, text: str) -> str:
    """What an operator should know and do, from what RabbitMQ says: `inequivalent arg …: received … but current is …`."""
    found = re.search(r"inequivalent arg '([^']+)' for (\w+) '[^']+'.*?: received (.+?) but current is (.+)", text)
    if found is None:
        return f"{one.name} cannot be declared: {text}"
    argument, kind, wanted, current = found.groups()
    wanted, current = (re.sub(r"^the value (.+) of type '\w+'$", r"\1", value) for value in (wanted, current))
    return (
        f"{kind} {one.name} stands on the broker with {argument} = {current}; this release declares {wanted}. "
        f"It was made by another release or by hand. Let its messages be consumed (or move them), delete the {kind}, "
        "and start again; or run the release that made it."
    )


class Permissions(NamedTuple):
    """What an account may do: regular expressions over names of exchanges and queues.

    https://www.rabbitmq.com/docs/access-control#authorisation
    """

    configure: str
    write: str
    read: str


_ALL = ".*"
# The exchange that reaches every queue by its name: calls, answers, retries, parking and dead letters go this way.
_DEFAULT = r"amq\.default"
# Queues that the broker names; they go with their connection.
_UNNAMED = r"amq\.gen.*"


def permissions(service: str) -> Permissions:
    """A service's account: it declares its own queues and publishes to its own exchanges, as no other service can.

    It declares no exchange and binds none, so what is published cannot be led elsewhere.
    """
    name = re.escape(service)
    own = rf"commonground\.calls\.{name}|commonground\.{name}\.(inbox|parked|retry\..+)|{_UNNAMED}"
    return Permissions(
        configure=f"^({own})$",
        write=rf"^({own}|commonground\.{name}|commonground\.live\.{name}|{re.escape(CONTRACTS)}|{_DEFAULT})$",
        read=f"^({own}|{re.escape(MESSAGES)}|{re.escape(LOG)})$",
    )


def gateway_permissions() -> Permissions:
    """The gateway's account: it calls services, hears of new contracts, and is woken. It sees no message."""
    return Permissions(
        configure=f"^({_UNNAMED})$",
        write=f"^({_UNNAMED}|{_DEFAULT})$",
        read=rf"^({_UNNAMED}|{re.escape(CONTRACTS)}|commonground\.live\..+)$",
    )


def operator_permissions() -> Permissions:
    """The operator's account: declares the topology, reads and replays what is parked."""
    return Permissions(_ALL, _ALL, _ALL)


SUBSCRIBERS = r"^subscriber\."
SUBSCRIBER_LIMITS = {"max-length-bytes": 1_000_000_000, "overflow": "drop-head", "expires": 30 * 24 * 3600 * 1000}
"""What the queues of a subscriber may hold: one that stays away must not fill the disk on which all others stand too.

The oldest messages go first; the log has them still.
"""


def subscriber_queues(name: str) -> str:
    """What the queues of another system are called, as a regular expression: `subscriber.<name>`, `subscriber.<name>.…`."""
    return rf"subscriber\.{re.escape(name)}(\..+)?"


def subscriber_permissions(name: str, trusted: bool = False) -> Permissions:
    """Another system's account: queues of its own, and the public messages; all if `trusted`.

    It may bind its queues, which takes the right to write to them, but has no exchange to publish to. Queues that the
    broker names are not for it: who knows the name of another's could read it.
    """
    own = subscriber_queues(name)
    known = [PUBLIC, PUBLIC_LOG] + ([MESSAGES, LOG] if trusted else [])
    return Permissions(
        configure=f"^({own})$", write=f"^({own})$", read=f"^({'|'.join([own, *map(re.escape, known)])})$"
    )
