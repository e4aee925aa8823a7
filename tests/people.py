"""People who talk to a running Common Ground as their apps do: over HTTP, several at the same time."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_RUN = secrets.token_hex(3)
_numbers = itertools.count(1)
SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON values."""
        return json.loads(self.body)

    @property
    def problem(self) -> str | None:
        """The slug of the problem that this is (RFC 9457), or None."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        return str(self.json()["type"]).removeprefix("/problems/")

    def __str__(self) -> str:
        return f"{self.status} {self.body[:2000].decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `content` is JSON values, bytes as they are, or None for no body."""

    method: str
    path: str
    content: Any = None
    headers: Mapping[str, str] | None = None

    def body(self) -> bytes:
        """The bytes of the body."""
        if self.content is None or isinstance(self.content, bytes):
            return self.content or b""
        return json.dumps(self.content).encode()

    def all_headers(self) -> dict[str, str]:
        """The headers, with the type of the body where there is one."""
        kind = {} if self.content is None else {"Content-Type": "application/json"}
        return {**kind, **(self.headers or {})}


class Connections:
    """Kept connections to a gateway, for several threads; each request has one to itself."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._idle: list[http.client.HTTPConnection] = []

    def send(self, request: Request) -> Answer:
        """Send a request and wait for its answer. Raises OSError or http.client.HTTPException when none comes."""
        while self._idle:
            kept = self._idle.pop()
            try:
                return self._exchange(kept, request)
            except (http.client.RemoteDisconnected, BrokenPipeError):
                continue  # it was idle for too long; nothing of the request was read
        return self._exchange(http.client.HTTPConnection(self.host, self.port, timeout=SECONDS), request)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        try:
            connection.request(request.method, request.path, request.body() or None, request.all_headers())
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().close()


class Door:
    """The gateway, for whoever comes: `door.get("/v1/groups", params={…})`, also from several threads."""

    def __init__(self, connections: Connections, headers: Mapping[str, str] | None = None) -> None:
        self.connections, self.headers = connections, dict(headers or {})

    @classmethod
    def at(cls, address: str) -> Door:
        """The gateway at an address such as `http://127.0.0.1:8000`."""
        split = urlsplit(address)
        assert split.hostname and split.port
        return cls(Connections(split.hostname, split.port))

    @property
    def address(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{self.connections.host}:{self.connections.port}"

    def get(self, path: str, **options: Any) -> Answer:
        """GET; see `call`."""
        return self.call("GET", path, **options)

    def post(self, path: str, content: Any = None, **options: Any) -> Answer:
        """POST; see `call`."""
        return self.call("POST", path, content, **options)

    def put(self, path: str, content: Any = None, **options: Any) -> Answer:
        """PUT; see `call`."""
        return self.call("PUT", path, content, **options)

    def patch(self, path: str, content: Any = None, **options: Any) -> Answer:
        """PATCH; see `call`."""
        return self.call("PATCH", path, content, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """DELETE; see `call`."""
        return self.call("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request that can be sent, e.g. by `at_once`. `key` is its Idempotency-Key."""
        if params:
            path += "?" + urlencode(params, doseq=True)
        own = {"Idempotency-Key": key} if key else {}
        return Request(method, path, content, {**self.headers, **own, **(headers or {})})

    def call(self, method: str, path: str, content: Any = None, **options: Any) -> Answer:
        """Send a request and wait for its answer. Raises OSError or http.client.HTTPException when none comes."""
        return self.send(self.request(method, path, content, **options))

    def send(self, request: Request) -> Answer:
        """Send a request and wait for its answer, as `call`."""
        return self.connections.send(request)

    def items(self, path: str, **params: Any) -> list[Any]:
        """The items of all pages of a list."""
        found: list[Any] = []
        while True:
            answer = self.get(path, params=params)
            assert answer.status == 200, answer
            page = answer.json()
            found += page["items"]
            if page["next"] is None:
                return found
            params["cursor"] = page["next"]


class Person(Door):
    """Somebody who is signed in: each request is theirs."""

    def __init__(self, door: Door, session: Mapping[str, Any], password: str) -> None:
        super().__init__(door.connections, {"Authorization": f"Bearer {session['access_token']}"})
        self.session, self.password = session, password
        self.id: str = session["person"]["id"]
        self.handle: str = session["person"]["handle"]
        self.name: str = session["person"]["display_name"]

    def via(self, door: Door) -> Person:
        """The same person at another gateway."""
        return Person(door, self.session, self.password)

    # -- what people do often; each must succeed

    def founds(self, **fields: Any) -> Any:
        """Found a group."""
        given = {"name": f"Kittens and Bacon {next(_numbers)}", "interests": ["kittens", "bacon"], "scope": "virtual"}
        return done(self.post("/v1/groups", given | fields), 201)

    def joins(self, group: Any) -> Any:
        """Join a group."""
        return done(self.post(f"/v1/groups/{group['id']}/members"), 201)

    def schedules(self, group: Any, **fields: Any) -> Any:
        """Schedule an event of a group."""
        return done(self.post(f"/v1/groups/{group['id']}/events", an_event(**fields)), 201)

    def answers(self, event: Any, answer: str = "going", guests: int = 0) -> Any:
        """Answer an event."""
        content = {"answer": answer, "guests": guests}
        return done(self.put(f"/v1/events/{event['id']}/rsvps/me", content), 200)

    def inbox(self, **params: Any) -> list[Any]:
        """The whole inbox, or a part of it."""
        return self.items("/v1/inbox", **params)


def called(name: str) -> dict[str, Any]:
    """What it takes to register somebody of this name, under a handle that nobody else has."""
    handle = f"{name}_{_RUN}_{next(_numbers)}"
    return {"handle": handle, "display_name": name.title(), "password": "correct horse battery"}


def an_event(**fields: Any) -> dict[str, Any]:
    """What it takes to schedule an event: on a winter's evening, far enough away."""
    usual = {
        "title": "Brunch with whiskers",
        "starts_at": "2031-12-01T19:00",
        "ends_at": "2031-12-01T21:00",
        "time_zone": "America/New_York",
    }
    return usual | fields


def done(answer: Answer, status: int) -> Any:
    """The JSON of an answer that must have this status."""
    assert answer.status == status, answer
    return answer.json() if answer.body else None


def a_key() -> str:
    """A new Idempotency-Key."""
    return secrets.token_hex(12)


# -- many at once


def at_once(door: Door, requests: Sequence[Request], seconds: float = 60) -> list[Answer | None]:
    """Send all requests at the same moment, each on a connection of its own that is open already.

    Gives their answers in the same order; None where the connection broke before one came.
    """
    return asyncio.run(asyncio.wait_for(_at_once(door, requests), seconds))


async def _at_once(door: Door, requests: Sequence[Request]) -> list[Answer | None]:
    open_at_a_time = asyncio.Semaphore(100)  # the listener's backlog is finite

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with open_at_a_time:
            return await asyncio.open_connection(door.connections.host, door.connections.port)

    streams = await asyncio.gather(*(connect() for _ in requests))
    for (_, writer), request in zip(streams, requests, strict=True):
        writer.write(_bytes_of(door, request))
    return await asyncio.gather(*(_answer(reader, writer) for reader, writer in streams))


def _bytes_of(door: Door, request: Request) -> bytes:
    body = request.body()
    headers = {"Host": door.address.removeprefix("http://"), "Connection": "close", **request.all_headers()}
    if body or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body))
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer | None:
    try:
        raw = await reader.read(-1)
    except ConnectionError:
        return None
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    return Answer(int(first.split()[1]), headers, body)
