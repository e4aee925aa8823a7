"""Another system that subscribes to messages: with kombu, an account of its own and a queue of its own.

Whatever any test's subscriber hears is held against what the platform's AsyncAPI document says of it.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from kombu import Connection, Consumer, Exchange, Queue

from commonground import eventually


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it came: where from, its AMQP properties and headers, and the envelope."""

    exchange: str
    routing_key: str
    properties: dict[str, Any]
    headers: dict[str, Any]
    content_type: str
    envelope: dict[str, Any]

    @property
    def data(self) -> Any:
        """What the message tells."""
        return self.envelope["data"]


class Promised:
    """What an AsyncAPI document says of the messages that are sent. Each message is checked once, whoever hears it."""

    def __init__(self, asyncapi: dict[str, Any]) -> None:
        components = asyncapi["components"]
        sent = [name for name, one in asyncapi["operations"].items() if one["action"] == "send"]
        self._validators = {
            one["name"]: Draft202012Validator(
                {**one["payload"], "components": components}, format_checker=FormatChecker()
            )
            for name, one in components["messages"].items()
            if name in sent
        }
        self._checked: set[str] = set()

    def check(self, envelope: dict[str, Any]) -> None:
        """Raises AssertionError where a message is not as promised."""
        if envelope["id"] in self._checked:
            return
        validator = self._validators.get(envelope["type"])
        assert validator is not None, f"{envelope['type']} is sent, and not in the document"
        faults = [f"{one.json_path}: {one.message}" for one in validator.iter_errors(envelope)]
        assert not faults, f"{envelope} is not as the document says: {faults}"
        self._checked.add(envelope["id"])


class Subscriber:
    """Collects in `heard` what an exchange brings for a routing key from now on, or what a stream holds."""

    def __init__(
        self, amqp_uri: str, account: str, exchange: str | None, routing_key: str = "#", **stream: Any
    ) -> None:
        """Of an exchange; or with `stream="commonground.public.log", offset="first"` of a log."""
        self.heard: list[Heard] = []
        self._ended = threading.Event()
        self._listening = threading.Event()
        self._fault: BaseException | None = None
        self._uri = amqp_uri
        if exchange is not None:
            bound = Exchange(exchange, "topic", passive=True)
            name = f"subscriber.{account}.{secrets.token_hex(4)}"
            self._queue = Queue(name, bound, routing_key, exclusive=True, durable=False)
        else:
            arguments = {"x-stream-offset": stream["offset"]}
            self._queue = Queue(stream["stream"], passive=True, no_declare=True, consumer_arguments=arguments)
        self._thread = threading.Thread(target=self._listen, name=f"subscriber {account}", daemon=True)

    def __enter__(self) -> Subscriber:
        self._thread.start()
        eventually(lambda: self._listening.is_set() or self._fault, "listening")
        if self._fault:
            raise self._fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(10)

    def wait(self, wanted: Callable[[Heard], Any], count: int = 1, seconds: float = 10) -> list[Heard]:
        """Wait until so many messages of the wanted kind were heard. Gives all of them."""

        def find() -> list[Heard] | None:
            found = [one for one in list(self.heard) if wanted(one)]
            return found if len(found) >= count else None

        try:
            found: list[Heard] = eventually(find, f"hearing {count} messages", seconds)
        except AssertionError as missed:
            types = [one.envelope["type"] for one in self.heard]
            raise AssertionError(f"{missed}; heard: {types[-20:]}") from None
        return found

    def about(self, subject: str, count: int = 1, seconds: float = 10) -> list[Heard]:
        """Wait for so many messages about a subject. Gives all of them."""
        return self.wait(lambda one: one.envelope["subject"] == subject, count, seconds)

    def _listen(self) -> None:
        try:
            with Connection(self._uri) as connection, connection.channel() as channel:
                consumer = Consumer(channel, [self._queue], on_message=self._note, prefetch_count=100)
                with consumer:
                    self._listening.set()
                    while not self._ended.is_set():
                        try:
                            connection.drain_events(timeout=0.1)
                        except TimeoutError:
                            continue
        except BaseException as fault:  # noqa: BLE001 - told to the test's own thread
            self._fault = fault

    def _note(self, message: Any) -> None:
        info = message.delivery_info
        self.heard.append(
            Heard(
                info["exchange"],
                info["routing_key"],
                dict(message.properties),
                dict(message.headers),
                message.content_type,
                json.loads(message.body),
            )
        )
        message.ack()
