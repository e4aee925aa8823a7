"""A whole Common Ground for tests: gateway and services as real processes on a real broker and database."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from pymongo import MongoClient
from pymongo.database import Database

from chassis import topology
from chassis.connection import connect
from chassis.ids import new_id
from chassis.nodes import HOST, MongoDB, Process, RabbitMQ, free_port
from chassis.testing import SERVICES, Nodes, StartProcess, process_starter, wait_ready
from people import Door, Person, called

GATEWAY = "gateway"
ROOT = Path(__file__).parents[1]


class CommonGround:
    """The four processes, by name (`groups`, `events`, `notifications`, `gateway`), and what is added to them."""

    def __init__(
        self, broker: RabbitMQ, database: MongoDB, mongo_uris: Mapping[str, str], start_process: StartProcess
    ) -> None:
        """`mongo_uris` are the addresses of the services' databases."""
        self.broker, self.database, self.mongo_uris = broker, database, mongo_uris
        self._start_process = start_process
        self._signing_key = _signing_key()
        self._ports = {name: free_port() for name in (*SERVICES, GATEWAY)}
        self._mail_port = free_port()
        self.mail = Path(tempfile.mkdtemp(prefix="commonground-mail-"))
        """The folder in which mail lands, one file each."""
        self.processes: dict[str, Process] = {}
        self.addresses = {name: f"http://{HOST}:{port}" for name, port in self._ports.items()}
        """Where each of the four serves its health and metrics."""
        self.started: list[Process] = []
        """All processes that were ever started, for whoever wants to read their logs."""
        self.door = Door.at(f"http://{HOST}:{self._ports[GATEWAY]}")
        self._clients: dict[str, MongoClient[Any]] = {}

    # -- processes

    def start(self) -> None:
        """Start all four side by side, and what takes their mail, and wait until each is ready."""
        self._start_process([sys.executable, ROOT / "deploy/local/mail.py", str(self._mail_port), str(self.mail)])
        for name in (*SERVICES, GATEWAY):
            self.launch(name)
        for name in (*SERVICES, GATEWAY):
            self.wait_ready(name)

    def launch(self, name: str) -> Process:
        """Start one of the four, or start it again."""
        process = self.processes[name] = self._start_process([sys.executable, "-m", name], self._settings(name))
        self.started.append(process)
        return process

    def wait_ready(self, name: str) -> None:
        """Wait until one of the four waits for nothing. Raises NodeError."""
        wait_ready(self.processes[name], self.health(name))

    def restart(self, name: str) -> None:
        """End one of the four if it runs, start it, and wait until it is ready."""
        self.processes[name].stop()
        self.launch(name)
        self.wait_ready(name)

    def add(self, name: str, **settings: str) -> tuple[Process, str]:
        """Start one more process of a service, or one more gateway, with other settings.

        Gives the process, which is ready, and its own address.
        """
        own = {**self._settings(name), **settings}
        port = str(free_port())
        own["CG_HTTP_PORT" if name == GATEWAY else "CG_HEALTH_PORT"] = port
        process = self._start_process([sys.executable, "-m", name], own)
        self.started.append(process)
        address = f"http://{HOST}:{port}"
        wait_ready(process, f"{address}/health/{'live' if name == GATEWAY else 'ready'}")
        return process, address

    def health(self, name: str) -> str:
        """The address that answers 200 when one of the four is ready."""
        return f"{self.addresses[name]}/health/ready"

    def _settings(self, name: str) -> dict[str, str]:
        settings = {"CG_AMQP_URI": self.broker.uri_for(name), "CG_RATE_LIMITS": "off", "CG_LOG_LEVEL": "WARNING"}
        if name == GATEWAY:
            own = {"CG_HTTP_HOST": HOST, "CG_HTTP_PORT": str(self._ports[name]), "CG_SERVICES": ",".join(SERVICES)}
            return settings | own | {"CG_HEALTH_PORT": "0", "CG_ACCESS_LOG": "off"}
        settings |= {"CG_MONGO_URI": self.mongo_uris[name], "CG_HEALTH_PORT": str(self._ports[name])}
        if name == "groups":
            settings |= {"CG_SIGNING_KEY": self._signing_key, "CG_PASSWORD_MEMORY_KIB": "8"}
        if name == "notifications":
            settings |= {"CG_SMTP_HOST": HOST, "CG_SMTP_PORT": str(self._mail_port), "CG_SMTP_TLS": "off"}
            settings |= {"CG_MAIL_FROM": "Common Ground <notices@cg.example>", "CG_PUBLIC_URL": self.door.address}
            settings |= {"CG_WEBHOOK_NETWORKS": f"{HOST}/32", "CG_WEBHOOK_KEYS": "a-key-for-tests-and-for-nothing-else"}
        return settings

    def close(self) -> None:
        """Close what talks to it, and forget its mail."""
        self.door.connections.close()
        for client in self._clients.values():
            client.close()
        shutil.rmtree(self.mail, ignore_errors=True)

    # -- people

    def person(self, name: str, **profile: Any) -> Person:
        """Somebody called Ana, Ben, …, registered under a handle of their own and signed in."""
        given = {**called(name), **profile}
        registered = self.door.post("/v1/people", given)
        assert registered.status == 201, registered
        return self.sign_in(given["handle"], given["password"])

    def sign_in(self, handle: str, password: str) -> Person:
        """Sign somebody in who has registered."""
        session = self.door.post("/v1/sessions", {"handle": handle, "password": password})
        assert session.status == 201, session
        return Person(self.door, session.json(), password)

    def crowd(self, size: int) -> list[Person]:
        """Many people with access tokens, without hashing as many passwords: the tokens are made here, with the groups
        service's key, and share one session. They never registered: what knows people by messages knows none of them."""
        session = self.person("eve").session
        claims = json.loads(_decoded(session["access_token"].split(".")[1]))
        key = ECKey.import_key(self._signing_key)
        key.ensure_kid()
        found = []
        for number in range(size):
            person = {"id": new_id("psn"), "handle": called(f"eve{number}")["handle"], "display_name": f"Eve {number}"}
            own = {"sub": person["id"], "handle": person["handle"], "name": person["display_name"]}
            token = jwt.encode({"alg": "ES256", "kid": key.kid}, {**claims, **own}, key)
            found.append(Person(self.door, {"access_token": token, "person": person}, ""))
        return found

    # -- what stands behind the door

    def store(self, service: str) -> Database[Any]:
        """The database of a service, to see what is in it."""
        if service not in self._clients:
            self._clients[service] = MongoClient(self.mongo_uris[service], tz_aware=True)
        return self._clients[service].get_default_database()

    def wait_quiet(self, seconds: float = 10) -> None:
        """Wait until everything that was to be told was told, and whoever listens has done what follows from it."""
        try:
            # Looking is work for all of them: not as often as can be.
            eventually(self.is_quiet, "everything being told and heard", seconds, pause=0.2)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.waiting()}") from None

    def is_quiet(self) -> bool:
        """Whether everything that was to be told was told and heard."""
        if any(self._outboxes().values()):  # costs least to look at, and is what one waits for longest
            return False
        before = self._traffic()
        if any(moving for _, moving in before):
            return False
        # What is being worked on is in no queue; what moved on while we looked was counted.
        return not self.waiting() and before == self._traffic()

    def _traffic(self) -> list[tuple[float, float]]:
        """Of each service, how many messages it sent or received until now, and how many it works on now."""
        found = []
        for service in SERVICES:
            metrics = measures(self.addresses[service])
            moved = metrics["cg_messages_relayed_total"] + metrics["cg_messages_received_total"]
            found.append((moved, metrics["cg_messages_in_flight"]))
        return found

    def _outboxes(self) -> dict[str, int]:
        return {f"{one} outbox": self.store(one)["outbox"].count_documents({}) for one in SERVICES}

    def waiting(self) -> dict[str, int]:
        """What waits: messages in outboxes and in the services' queues, by name; nothing that is empty."""
        found = self._outboxes()
        with closing(connect(self.broker.uri, "test")) as connection:
            for name in queues():
                found[name] = _count(connection, name)
        return {name: count for name, count in found.items() if count}


def queues() -> list[str]:
    """The names of the services' own queues: inbox, retry, parked."""
    return [one.name for service in SERVICES for one in topology.queues_of(service)]


def _count(connection: Any, queue: str) -> int:
    channel = connection.channel()
    try:
        found: int = channel.queue_declare(queue, passive=True).message_count
    except amqp.NotFound:
        return 0  # a service that listens to nothing has none
    channel.close()
    return found


def measures(address: str) -> Counter[str]:
    """The metrics that a process has at an address, by name, summed over their labels; none while it does not answer."""
    found: Counter[str] = Counter()
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return found
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return found


def declare_topology(broker: RabbitMQ, start: StartProcess) -> None:
    """Declare what is shared on a broker, by the operator's command."""
    command = start([sys.executable, "-m", "chassis", "topology", *SERVICES], {"CG_AMQP_URI": broker.uri})
    assert command.wait(60) == 0, command.tail()


@contextmanager
def whole(folders: pytest.TempPathFactory) -> Iterator[CommonGround]:
    """A Common Ground on a broker and a database of its own."""
    nodes = Nodes(folders.mktemp("nodes"), {"broker", "database"})
    processes: list[Process] = []
    try:
        nodes.ready(nodes.broker)
        nodes.ready(nodes.database)
        start = process_starter(folders.mktemp("platform"), processes)
        declare_topology(nodes.broker, start)
        uris = {service: nodes.database.uri_for(service) for service in SERVICES}
        running = CommonGround(nodes.broker, nodes.database, uris, start)
        running.start()
        yield running
        running.close()
    finally:
        for process in reversed(processes):
            process.kill()
        nodes.end()


def eventually(find: Callable[[], Any], what: str, seconds: float = 10, pause: float = 0.02) -> Any:
    """What `find` gives as soon as it gives something true. Raises AssertionError when that does not come in time."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(pause)
    return found


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signing_key() -> str:
    """A new private key for access tokens (ES256), as PEM."""
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, none).decode()
