"""A small real service for the gateway to stand before, and gateways as real processes."""

from __future__ import annotations

import importlib
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import amqp
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from chassis.calls import ANNOUNCEMENTS, queue_of
from chassis.connection import close_quietly, connect
from chassis.nodes import Process, RabbitMQ, free_port
from chassis.testing import StartProcess, process_starter, wait_ready, wait_until

# pytest calls these modules gateway.tests.…, and takes the folder above for the package `gateway`, which is inside it.
if not hasattr(sys.modules.get("gateway"), "__file__") or sys.modules["gateway"].__file__ is None:
    sys.modules.pop("gateway", None)
    importlib.import_module("gateway")

Reply = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
TEXT = {"type": "string"}


def route(method: str, path: str, name: str, access: str = "anyone", limit: str | None = None) -> dict[str, Any]:
    """A route as contracts have it."""
    return {"method": method, "path": path, "name": name, "access": access, "idempotent": False, "limit": limit}


ROUTES = [
    route("GET", "/v1/things", "list_things"),
    route("POST", "/v1/things", "add_thing", "signed-in"),
    route("GET", "/v1/things/mine", "list_mine", "signed-in"),
    route("GET", "/v1/things/{thing}", "get_thing"),
    route("PATCH", "/v1/things/{thing}", "change_thing", "signed-in"),
    route("DELETE", "/v1/things/{thing}", "drop_thing", "signed-in"),
    route("POST", "/v1/tries", "try_it", limit="3/minute"),
    route("POST", "/v1/own-tries", "try_own", "signed-in", limit="3/minute"),
]


class Shelf:
    """A service that runs in this process on the real broker. `calls` is what reached it, as (head, body)."""

    def __init__(self, uri: str, name: str | None = None) -> None:
        self.uri, self.name = uri, name or f"shelf-{secrets.token_hex(4)}"
        self.key = ECKey.generate_key("P-256", parameters={"kid": "first"})
        self.calls: list[tuple[dict[str, Any], bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.ended: set[str] = set()
        self.api_tokens: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Callable[[dict[str, Any], bytes], Reply | None]] = {}
        self.contract = self._contract()
        self.waiting_at_most = 2000
        self._running = False

    def _contract(self) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for one in ROUTES:
            said = {"operationId": one["name"], "summary": "Do it", "responses": {"200": {"description": "Done"}}}
            names = [part[1:-1] for part in one["path"].split("/") if part.startswith("{")]
            said["parameters"] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
            paths.setdefault(one["path"], {})[one["method"].lower()] = said
        return {
            "service": self.name,
            "version": "1.0.0",
            "digest": secrets.token_hex(8),
            "routes": list(ROUTES),
            "openapi": {"paths": paths, "components": {"schemas": {"Thing": {"type": "object"}}}, "tags": []},
            "asyncapi": {},
            "schemas": {"commonground.shelf.thing.added.v1": {"$id": "x", "type": "object"}},
            "identity": self.identity(),
        }

    def identity(self) -> dict[str, Any]:
        """What the contract says of tokens."""
        keys = {"keys": [self.key.as_dict(private=False)]}
        return {"issuer": "commonground", "audience": "commonground", "jwks": keys, "introspect": "introspect"}

    def change(self, **contract: Any) -> None:
        """Offer another contract from now on."""
        self.contract = {**self.contract, **contract, "digest": secrets.token_hex(8)}

    def token(self, session: str = "ses_ana", key: ECKey | None = None, alg: str = "ES256", **claims: Any) -> str:
        """An access token of Ana's, with some claims otherwise."""
        now = int(time.time())
        key = key or self.key
        said = {
            "iss": "commonground",
            "aud": "commonground",
            "sub": "psn_ana",
            "handle": "ana",
            "name": "Ana",
            "sid": session,
            "iat": now,
            "exp": now + 900,
            "scope": "read write",
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": key.kid}, said, key, algorithms=[alg])

    def start(self) -> Shelf:
        """Take calls."""
        ready = threading.Event()
        self._running = True
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        """Go away; the queue goes too."""
        self._running = False
        self._thread.join(10)

    def announce(self) -> None:
        """Say that there is a contract."""
        connection = connect(self.uri, "announcer")
        connection.channel().basic_publish(amqp.Message(self.name), exchange=ANNOUNCEMENTS)
        connection.close()

    def _run(self, ready: threading.Event) -> None:
        connection = connect(self.uri, self.name)
        self.channel = connection.channel()
        arguments = {"x-max-length": self.waiting_at_most, "x-overflow": "reject-publish"}
        self.channel.queue_declare(queue_of(self.name), durable=True, auto_delete=True, arguments=arguments)
        self.channel.basic_consume(queue_of(self.name), no_ack=True, callback=self._take)
        ready.set()
        while self._running:
            try:
                connection.drain_events(timeout=0.05)
            except TimeoutError:
                pass
            except OSError:
                break
        close_quietly(connection)

    def _take(self, message: Any) -> None:
        line, _, body = message.body.partition(b"\n")
        head = json.loads(line)
        reply = self._reply(head, body)
        if reply is not None:
            self.send(message, reply)

    def send(self, message: Any, reply: Reply) -> None:
        """Answer a call."""
        answer = json.dumps([reply[0], reply[1]]).encode() + b"\n" + reply[2]
        properties = message.properties
        sent = amqp.Message(answer, correlation_id=properties["correlation_id"], delivery_mode=1)
        self.channel.basic_publish(sent, routing_key=properties["reply_to"])

    def _reply(self, head: dict[str, Any], body: bytes) -> Reply | None:
        if head["endpoint"] == "contract":
            return 200, JSON, json.dumps(self.contract).encode()
        if head["endpoint"] == "introspect":
            if "introspect" in self.answers:
                return self.answers["introspect"](head, body)
            return 200, JSON, json.dumps(self._introspect(json.loads(body))).encode()
        self.calls.append((head, body))
        answer = self.answers.get(head["endpoint"])
        return answer(head, body) if answer else (200, {**JSON, "ETag": '"1"'}, b'{"ok":true}')

    def _introspect(self, asked: dict[str, str]) -> dict[str, Any]:
        self.asked.append(asked)
        if "session" in asked:
            return {"active": asked["session"] not in self.ended, "caller": None, "expires_at": None}
        caller = self.api_tokens.get(asked["token"])
        return {"active": caller is not None, "caller": caller, "expires_at": None}


class Door:
    """A gateway that runs as a process of its own, without rate limits unless they are set, and a client of it."""

    def __init__(self, start: StartProcess, broker_uri: str, services: str, **settings: str) -> None:
        self.port = free_port()
        env = {
            "CG_AMQP_URI": broker_uri,
            "CG_SERVICES": services,
            "CG_HTTP_PORT": str(self.port),
            "CG_LOG_FORMAT": "json",
            "CG_RATE_LIMITS": "off",
            **settings,
        }
        self.process: Process = start([sys.executable, "-m", "gateway"], env)
        self.address = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.address, timeout=20)

    def wait_live(self) -> Door:
        """Wait until it listens."""
        wait_ready(self.process, f"{self.address}/health/live")
        return self

    def wait_ready(self) -> Door:
        """Wait until it says it is ready."""
        wait_ready(self.process, f"{self.address}/health/ready")
        return self

    def get(self, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """GET; see `ask`."""
        return self.ask("GET", path, token, **options)

    def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """Send a request, with a Bearer token if one is given."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.http.request(method, path, headers=headers, **options)


OpenDoor = Callable[..., Door]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProcess]:
    """Start processes that a module's tests share."""
    started: list[Process] = []
    yield process_starter(Path(tmp_path_factory.mktemp("processes")), started)
    for process in reversed(started):
        process.kill()


@pytest.fixture(scope="module")
def shelf(topology: RabbitMQ) -> Iterator[Shelf]:
    """A service that a module's tests share; `fresh` clears what they did with it."""
    shelf = Shelf(topology.uri).start()
    yield shelf
    shelf.stop()


@pytest.fixture(scope="module")
def door(topology: RabbitMQ, shelf: Shelf, processes: StartProcess) -> Iterator[Door]:
    """A gateway before that service."""
    door = Door(processes, topology.uri_for("gateway"), shelf.name).wait_ready()
    yield door
    door.http.close()


@pytest.fixture
def new_shelf(topology: RabbitMQ) -> Iterator[Callable[..., Shelf]]:
    """Start services that end with the test."""
    started: list[Shelf] = []

    def start(name: str | None = None) -> Shelf:
        started.append(Shelf(topology.uri, name).start())
        return started[-1]

    yield start
    for one in started:
        if one._running:
            one.stop()


@pytest.fixture
def open_door(topology: RabbitMQ, start_process: StartProcess) -> Iterator[OpenDoor]:
    """Start gateways that end with the test."""
    doors: list[Door] = []

    def start(services: str, **settings: str) -> Door:
        doors.append(Door(start_process, topology.uri_for("gateway"), services, **settings))
        return doors[-1].wait_live()

    yield start
    for one in doors:
        one.http.close()


__all__ = ["JSON", "ROUTES", "Door", "Shelf", "route", "wait_until"]
