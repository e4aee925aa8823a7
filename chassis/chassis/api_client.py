"""Calls a service as the gateway does, over the broker, for tests of one service: routes by its contract, waits for answers."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import amqp

from chassis.calls import CONTRACT, REPLIES, queue_of
from chassis.connection import connect

SECONDS = 5.0
CONDITIONS = ("if_match", "if_none_match", "idempotency_key", "last_event_id")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who calls, as their token would say."""

    id: str
    handle: str
    display_name: str
    scopes: tuple[str, ...] = ("read", "write", "subscribe")
    session: str | None = None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON values."""
        return json.loads(self.body)

    @property
    def problem(self) -> str | None:
        """The slug of the problem that this is, or None."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        return str(self.json()["type"]).removeprefix("/problems/")


class NoAnswer(Exception):
    """The service is away, or did not answer in time."""


class ApiClient:
    """`api.post("/v1/groups", {"name": …}, as_=ana)`: one service, one connection; not for use by several threads at once."""

    def __init__(self, amqp_uri: str, service: str) -> None:
        self.service = service
        self.connection = connect(amqp_uri, f"{service}-client")
        self.channel = self.connection.channel()
        self.channel.basic_consume(REPLIES, no_ack=True, callback=self._note)
        self.channel.events["basic_return"].add(self._returned)
        self.numbers = itertools.count(1)
        self.answers: dict[str, bytes | None] = {}
        self.routes: list[tuple[str, list[str], str]] = []

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def get(self, path: str, *, as_: Person | None = None, **options: Any) -> ApiAnswer:
        """GET; see `call`."""
        return self.call("GET", path, as_=as_, **options)

    def post(self, path: str, json: Any = None, *, as_: Person | None = None, **options: Any) -> ApiAnswer:
        """POST with a JSON body; see `call`."""
        return self.call("POST", path, json, as_=as_, **options)

    def put(self, path: str, json: Any = None, *, as_: Person | None = None, **options: Any) -> ApiAnswer:
        """PUT with a JSON body; see `call`."""
        return self.call("PUT", path, json, as_=as_, **options)

    def patch(self, path: str, json: Any = None, *, as_: Person | None = None, **options: Any) -> ApiAnswer:
        """PATCH with a JSON body; see `call`."""
        return self.call("PATCH", path, json, as_=as_, **options)

    def delete(self, path: str, *, as_: Person | None = None, **options: Any) -> ApiAnswer:
        """DELETE; see `call`."""
        return self.call("DELETE", path, as_=as_, **options)

    def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        as_: Person | None = None,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        seconds: float = SECONDS,
        **headers: str,
    ) -> ApiAnswer:
        """Call `method path` as a person or nobody, with query parameters, a JSON or raw body, and the headers `if_match`,
        `if_none_match`, `idempotency_key`, `last_event_id`.

        Raises NoAnswer, and LookupError when the contract has no such route.
        """
        number = self.send(method, path, json, as_=as_, params=params, body=body, seconds=seconds, **headers)
        return self.receive(number, seconds)

    def send(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        as_: Person | None = None,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        seconds: float = SECONDS,
        **headers: str,
    ) -> str:
        """Like `call`, without waiting; `receive` with what this returns gets the answer. For many calls at once."""
        split = urlsplit(path)
        endpoint, arguments = self._match(method, unquote(split.path))
        query = split.query or urlencode(params or {}, doseq=True)
        caller = None
        if as_ is not None:
            caller = {"id": as_.id, "handle": as_.handle, "display_name": as_.display_name}
            caller |= {"scopes": list(as_.scopes), "session": as_.session}  # type: ignore[dict-item]
        head: dict[str, Any] = {"path": arguments, "target": split.path, "query": query, "caller": caller}
        head |= {name: headers.get(name) for name in CONDITIONS}
        content = body if body is not None else b"" if json is None else _dumps(json)
        return self._publish(endpoint, head, content, seconds)

    def receive(self, number: str, seconds: float = SECONDS) -> ApiAnswer:
        """The answer to what `send` returned. Raises NoAnswer."""
        end = time.monotonic() + seconds
        while number not in self.answers:
            left = end - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"{self.service} did not answer within {seconds} s")
            try:
                self.connection.drain_events(timeout=left)
            except TimeoutError:
                continue
        payload = self.answers.pop(number)
        if payload is None:
            raise NoAnswer(f"{self.service} is away")
        line, _, body = payload.partition(b"\n")
        status, headers = json.loads(line)
        return ApiAnswer(status, headers, body)

    def internal(self, endpoint: str, json: Any) -> ApiAnswer:
        """Call an internal endpoint by its name, as the gateway does on its own behalf. Raises NoAnswer."""
        head: dict[str, Any] = {"path": {}, "target": "", "query": "", "caller": None}
        head |= dict.fromkeys(CONDITIONS)
        return self.receive(self._publish(endpoint, head, _dumps(json), SECONDS))

    def contract(self, seconds: float = SECONDS) -> dict[str, Any]:
        """The service's contract."""
        head: dict[str, Any] = {"path": {}, "target": "", "query": "", "caller": None}
        head |= dict.fromkeys(CONDITIONS)
        found: dict[str, Any] = self.receive(self._publish(CONTRACT, head, b"", seconds), seconds).json()
        return found

    def _publish(self, endpoint: str, head: dict[str, Any], body: bytes, seconds: float) -> str:
        number = str(next(self.numbers))
        head |= {"id": f"req_{number}", "endpoint": endpoint, "deadline": time.time() + seconds}
        head |= {"address": "127.0.0.1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        message = amqp.Message(_dumps(head) + b"\n" + body, reply_to=REPLIES, correlation_id=number, delivery_mode=1)
        self.channel.basic_publish(message, routing_key=queue_of(self.service), mandatory=True)
        return number

    def _match(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        if not self.routes:
            routes = self.contract()["routes"]
            self.routes = [(one["method"], one["path"].split("/"), one["name"]) for one in routes]
            # Where a fixed segment and a parameter both fit, the fixed one is meant.
            self.routes.sort(key=lambda route: [part.startswith("{") for part in route[1]])
        given = path.split("/")
        for verb, parts, name in self.routes:
            if verb == method and len(parts) == len(given):
                pairs = list(zip(parts, given, strict=True))
                if all(part == value or part.startswith("{") for part, value in pairs):
                    return name, {part[1:-1]: value for part, value in pairs if part.startswith("{")}
        raise LookupError(f"{self.service} has no {method} {path}")

    def _note(self, message: Any) -> None:
        self.answers[message.properties["correlation_id"]] = message.body

    def _returned(self, exception: Any, exchange: str, routing_key: str, message: Any) -> None:
        self.answers[message.properties["correlation_id"]] = None


def _dumps(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
