"""The notebook, a small service on the whole chassis, and the listener, which tries the messages: both real processes."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
from pymongo import MongoClient

from chassis import outbox
from chassis import topology as topology_of
from chassis.connection import Connection, connect
from chassis.ids import new_id
from chassis.nodes import Process, RabbitMQ
from chassis.testing import RunCommand, RunningService, RunService, StartProcess

NOTEBOOK = [sys.executable, "-c", "from chassis.process import main; main('notebook:Notebook')"]
NOTEBOOK_ENV = {"PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture
def start_notebook(start_process: StartProcess) -> Callable[..., Process]:
    """Start the notebook with these settings and no others."""
    return lambda **env: start_process(NOTEBOOK, {**NOTEBOOK_ENV, **env})


@pytest.fixture
def run_notebook(run_service: RunService, fresh_database: str) -> Callable[..., RunningService]:
    """Start the notebook, with a database of its own for the test: `run_notebook(CG_CALLS_AT_ONCE="1")`."""

    def run(wait: bool = True, **env: str) -> RunningService:
        return run_service("notebook", NOTEBOOK, {**NOTEBOOK_ENV, "CG_MONGO_URI": fresh_database, **env}, wait)

    return run


@pytest.fixture(scope="module")
def shared_notebook(shared_service: RunService, shared_database: str) -> RunningService:
    """A notebook that the tests of a module share; they must leave it running."""
    return shared_service("notebook", NOTEBOOK, {**NOTEBOOK_ENV, "CG_MONGO_URI": shared_database})


class Bus:
    """The bus as one test sees it: a service of its own on the run's broker, with a database of its own."""

    def __init__(self, broker: RabbitMQ, mongo_uri: str, name: str) -> None:
        self.broker, self.mongo_uri, self.name = broker, mongo_uri, name
        self.told = f"{name}.thing.told.v1"
        self.client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri, tz_aware=True)
        self.database = self.client.get_default_database()
        self._connection: Connection | None = None
        self._connected_to: int | None = None

    @property
    def connection(self) -> Connection:
        """A connection of the operator's; a new one when the broker was started again."""
        if self._connection is not None and self._connected_to != self.broker.pid:
            self._connection.collect()
            self._connection = None
        if self._connection is None:
            self._connection = connect(self.broker.uri, "test")
            self._connected_to = self.broker.pid
        return self._connection

    def let_the_broker_remember(self, *quorum_queues: str) -> None:
        """Wait until the broker can be killed and still knows what was declared for this test, by it or by a service.

        RabbitMQ 3.10 writes metadata late: killed within a few seconds of a declaration, it comes back without the stream, or
        with a quorum queue that never gets a leader.
        """
        self.broker.wait_registered(*quorum_queues)
        time.sleep(max(0.0, self.declared_at + 8 - time.monotonic()))

    def declare(self) -> None:
        """Declare what is shared, and the exchange of the test's service."""
        self.declared_at = time.monotonic()
        topology_of.declare(self.connection, topology_of.shared([self.name]))

    def queue(self, what: str) -> str:
        """The name of a queue of the service: `inbox`, `parked`, `retry.0.2s`."""
        return f"commonground.{self.name}.{what}"

    def envelope(self, text: str, **attributes: Any) -> dict[str, Any]:
        """A CloudEvents document of the type that the listener listens to."""
        return {
            "specversion": "1.0",
            "id": new_id("msg"),
            "source": f"/services/{self.name}",
            "type": f"commonground.{self.told}",
            "subject": new_id("thg"),
            "time": "2026-11-23T18:00:00.123Z",
            "sequence": "1",
            "audience": "public",
            "data": {"text": text},
        } | attributes

    def fill(self, *texts: str) -> list[str]:
        """Put messages into the outbox; gives their ids."""
        documents = [outbox.document(self.envelope(text)) for text in texts]
        self.database[outbox.COLLECTION].insert_many(documents)
        return [one["_id"] for one in documents]

    def tell(self, text: str, **attributes: Any) -> str:
        """Publish a message as the service itself would; gives its id."""
        envelope = self.envelope(text, **attributes)
        self.put(json.dumps(envelope).encode(), message_id=envelope["id"], type=envelope["type"])
        return str(envelope["id"])

    def put(self, body: bytes, **properties: Any) -> None:
        """Publish any bytes to the service's exchange, and wait until a queue has them."""
        channel = self.connection.channel()
        message = amqp.Message(body, delivery_mode=2, **properties)
        exchange = topology_of.exchange_of(self.name)
        channel.basic_publish_confirm(message, exchange=exchange, routing_key=self.told, mandatory=True)
        channel.close()

    def hear(self, service: str | None = None) -> str:
        """A queue of everything that the service publishes from now on."""
        channel = self.connection.channel()
        queue: str = channel.queue_declare(auto_delete=False, exclusive=False, arguments={"x-expires": 120_000}).queue
        channel.queue_bind(queue, topology_of.exchange_of(service or self.name), "#")
        return queue

    def count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        channel = self.connection.channel()
        found: int = channel.queue_declare(queue, passive=True).message_count
        channel.close()
        return found

    def take(self, queue: str) -> list[amqp.Message]:
        """Take all messages from a queue."""
        channel = self.connection.channel()
        found = list(iter(lambda: channel.basic_get(queue, no_ack=True), None))
        channel.close()
        return found

    def effects(self) -> list[str]:
        """The texts that took effect, in order."""
        return [one["text"] for one in self.database.effects.find({"method": "act"}).sort("at")]

    def forget(self) -> None:
        """Begin as if nothing had happened."""
        for name in ("effects", "tries", "latest", "inbox"):
            self.database[name].delete_many({})
        self.take(self.queue("parked"))

    def close(self) -> None:
        """Remove what the test left on the broker."""
        self.client.close()
        channel = self.connection.channel()
        for one in topology_of.queues_of(self.name, (0.2, 0.4, 0.8, 20)):
            channel.queue_delete(one.name)
        channel.exchange_delete(topology_of.exchange_of(self.name))
        self.connection.close()


LISTENER = [sys.executable, "-c", "from chassis.process import main; main('listener:Listener')"]


@contextmanager
def opened(broker: RabbitMQ, mongo_uri: str) -> Iterator[Bus]:
    """A bus with a service of its own; its exchange is declared."""
    one = Bus(broker, mongo_uri, f"test{secrets.token_hex(4)}")
    one.declare()
    yield one
    one.close()


@pytest.fixture
def bus(topology: RabbitMQ, fresh_database: str) -> Iterator[Bus]:
    """The bus with a service of this test's own on it."""
    with opened(topology, fresh_database) as one:
        yield one


@pytest.fixture
def listen(bus: Bus, run_service: RunService) -> Callable[..., RunningService]:
    """Start the listener as the bus' service: `listen(CG_MESSAGES_AT_ONCE="1")`."""

    def run(wait: bool = True, **env: str) -> RunningService:
        own = {**NOTEBOOK_ENV, "LISTENER": bus.name, "CG_MONGO_URI": bus.mongo_uri, **env}
        started: RunningService = run_service(bus.name, LISTENER, own, wait)
        bus.declared_at = time.monotonic()
        bus.declared_at = time.monotonic()
        return started

    return run


@pytest.fixture(scope="module")
def shared_bus(topology: RabbitMQ, shared_database: str) -> Iterator[Bus]:
    """The bus with a service that the tests of a module share."""
    with opened(topology, shared_database) as one:
        yield one


@pytest.fixture(scope="module")
def shared_listener(shared_bus: Bus, shared_service: RunService) -> RunningService:
    """A listener that the tests of a module share; they must leave it running and its queues settled."""
    own = {**NOTEBOOK_ENV, "LISTENER": shared_bus.name, "CG_MONGO_URI": shared_bus.mongo_uri}
    return shared_service(shared_bus.name, LISTENER, own)


@pytest.fixture
def listening(shared_bus: Bus, shared_listener: RunningService) -> Bus:
    """The bus with a listener that has heard nothing yet."""
    shared_bus.forget()
    return shared_bus


@pytest.fixture
def operate(bus: Bus, run_command: RunCommand) -> RunCommand:
    """Run an operator's command to its end: `operate("parked", "list", "--service", bus.name)`."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"CG_AMQP_URI": bus.broker.uri, "CG_MONGO_URI": bus.mongo_uri, "LISTENER": bus.name, **NOTEBOOK_ENV}
        return run_command("chassis", *arguments, **env)

    return run
