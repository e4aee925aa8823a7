"""Fixtures for tests that need the real thing: a private RabbitMQ and MongoDB for each test run, and processes.

Nothing starts before the first test asks for it, so that tests of plain rules stay instant. Each module finds both as if
they were new. One that kills them says so (`pytestmark = pytest.mark.kills_nodes`) and has its own, so that nothing of
that is left to the next. Loaded everywhere by `-p chassis.testing` in the root pyproject.toml.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chassis.api_client import ApiClient
    from chassis.nodes import MongoDB, Process, RabbitMQ
    from chassis.nodes.forked import ForkServer

SERVICES = ("groups", "events", "notifications")
LIBRARIES = ("chassis.process", "argon2", "babel.dates", "icalendar", "jinja2", "joserfc.jwt", "limits")
"""What programs here stand on. To import it is most of a start, and they are started hundreds of times."""
WITHOUT_RESOLVER = {"EVENTLET_NO_GREENDNS": "yes"}
"""Programs reach all by address here."""
NOTEBOOK = "notebook"
"""The small service of the chassis' own tests."""


class Nodes:
    """A broker and a database for tests; both are launched together when the first of them is needed."""

    def __init__(self, folder: Path, wanted: set[str]) -> None:
        # Imported here, so that a run without nodes does not pay for the drivers.
        from chassis.nodes import MongoDB, RabbitMQ, broker_user, operator_user, subscriber_user

        users = [operator_user(secrets.token_hex(8))]
        users += [broker_user(name, secrets.token_hex(8)) for name in (*SERVICES, "gateway")]
        users.append(subscriber_user("newsletter", secrets.token_hex(8)))
        users.append(subscriber_user("warehouse", secrets.token_hex(8), trusted=True))
        self.folder = folder
        # One scheduler: it starts with an eighth less work, and the cores are the tests' anyway.
        self.broker = RabbitMQ(folder / "rabbitmq", users, schedulers=1, dies_with_parent=True)
        self.database = MongoDB(
            folder / "mongodb",
            {name: secrets.token_hex(8) for name in SERVICES},
            admin_password=secrets.token_hex(8),
            dies_with_parent=True,
        )
        self._used: list[RabbitMQ | MongoDB] = []
        if "broker" in wanted:
            self.broker.launch()
        if "database" in wanted:
            self.database.launch()

    def ready(self, node: RabbitMQ | MongoDB) -> None:
        """Start a node, or wait for the one that was launched."""
        node.start()
        self._used.append(node)

    def revive(self) -> None:
        """Bring back what a test killed and left so: the next test shall not pay for it."""
        for node in self._used:
            if not node.is_running:
                node.start()

    def clear(self) -> None:
        """Remove all messages and documents, so that the next module finds what it would find on new nodes."""
        if self.broker in self._used:
            _forget_queues(self.broker)
        if self.database in self._used:
            self.database.clear()

    def end(self) -> None:
        """Stop both at once, without mercy: their data is not kept."""
        self.broker.kill()
        self.database.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


NODES = pytest.StashKey[Nodes]()
"""Those of the module that runs."""
SHARED_NODES = pytest.StashKey[Nodes]()
"""Those of the run, for every module that does not kill them."""
WANTED = pytest.StashKey[set[str]]()
PROCESSES = pytest.StashKey[list["Process"]]()


def pytest_configure() -> None:
    """Let examples take their time: how long one takes says how busy the machine is."""
    from hypothesis import settings

    settings.register_profile("commonground", deadline=None)
    settings.load_profile("commonground")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which nodes this run will need, so that they start side by side."""
    session.config.stash[WANTED] = {name for item in session.items for name in getattr(item, "fixturenames", ())}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have each test begin with the nodes running."""
    if NODES in item.config.stash:
        item.config.stash[NODES].revive()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the log of every process that a failed test started."""
    report = yield
    if report.failed:
        for process in item.stash.get(PROCESSES, []):
            report.sections.append((f"log of {process.args[0]}", process.tail(60)))
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the run shares."""
    if SHARED_NODES in config.stash:
        config.stash[SHARED_NODES].end()
    if _fork_server.cache_info().currsize:
        _fork_server().close()


def _shared_nodes(config: pytest.Config, folders: pytest.TempPathFactory) -> Nodes:
    if SHARED_NODES not in config.stash:
        config.stash[SHARED_NODES] = _launch(config, folders)
    return config.stash[SHARED_NODES]


def _launch(config: pytest.Config, folders: pytest.TempPathFactory) -> Nodes:
    from chassis.nodes import NodeError

    try:
        return Nodes(folders.mktemp("nodes"), config.stash.get(WANTED, set()))
    except NodeError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def nodes(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    """The nodes of a module; ask for `broker` or `database` instead."""
    own = any(mark.name == "kills_nodes" for mark in request.node.iter_markers())
    found = (_launch if own else _shared_nodes)(pytestconfig, tmp_path_factory)
    pytestconfig.stash[NODES] = found
    yield found
    del pytestconfig.stash[NODES]
    if own:
        found.end()
    else:
        found.clear()


@pytest.fixture(scope="module")
def broker(nodes: Nodes) -> RabbitMQ:
    """A RabbitMQ: `.uri` for the operator, `.uri_for("groups")`, `.kill()` and `.start()`.

    It has an account for each service and the gateway, and for two other systems: `newsletter`, and `warehouse`, which
    is trusted with all messages.
    """
    nodes.ready(nodes.broker)
    return nodes.broker


@pytest.fixture(scope="module")
def database(nodes: Nodes) -> MongoDB:
    """A MongoDB: `.uri` for the administrator, `.uri_for("groups")`, `.kill()` and `.start()`."""
    nodes.ready(nodes.database)
    return nodes.database


@pytest.fixture
def fresh_database(database: MongoDB) -> Iterator[str]:
    """Address of an empty database of its own for one test; its name is the path of the address."""
    with borrowed_database(database) as uri:
        yield uri


@pytest.fixture(scope="module")
def shared_database(database: MongoDB) -> Iterator[str]:
    """Address of a database that the tests of a module share."""
    with borrowed_database(database) as uri:
        yield uri


@contextmanager
def borrowed_database(database: MongoDB) -> Iterator[str]:
    """A new database and an account for it, dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    yield database.add_database(name, secrets.token_hex(8))
    database.drop_database(name)


StartProcess = Callable[..., "Process"]


@pytest.fixture
def start_process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartProcess]:
    """Start programs that end with the test: `start_process([sys.executable, "-m", "groups"], {"CG_AMQP_URI": …})`.

    Gives a `chassis.nodes.Process` (`pid`, `kill()`, `stop()`, `wait()`, `is_running`, `tail()`); the environment is
    this one's without `CG_…`, and what is given. Their logs are shown when the test fails. See `wait_ready`.
    """
    processes: list[Process] = []
    request.node.stash[PROCESSES] = processes
    yield process_starter(tmp_path, processes)
    for process in reversed(processes):
        process.kill()


def process_starter(folder: Path, processes: list[Process]) -> StartProcess:
    """A function that starts a program with its log in `folder`, and adds it to `processes`."""

    def start(args: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Process:
        from chassis.nodes import Process
        from chassis.nodes.forked import ForkedProcess

        whole = {**_environment(), **(env or {})}
        log = folder / f"process-{len(processes)}.log"
        process: Process
        if args[0] == sys.executable and args[1] in ("-m", "-c") and not _is_for_python(env or {}):
            process = ForkedProcess(_fork_server(), args, env=whole, log=log)
        else:
            process = Process(args, env=whole, log=log, dies_with_parent=True)
        process.launch()
        processes.append(process)
        return process

    return start


def _is_for_python(env: Mapping[str, str]) -> bool:
    """Whether something is in an environment that Python reads when it starts, and never again."""
    return any(name.startswith("PYTHON") and name != "PYTHONPATH" for name in env)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CG_")} | {"PYTHONUNBUFFERED": "1"}


@cache
def _fork_server() -> ForkServer:
    from chassis.nodes.forked import ForkServer

    return ForkServer(LIBRARIES, {**_environment(), **WITHOUT_RESOLVER})


RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_command(tmp_path_factory: pytest.TempPathFactory) -> RunCommand:
    """Run a command to its end: `run_command("chassis", "topology", "groups", CG_AMQP_URI=…)` is `python -m chassis …`."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        from chassis.nodes.forked import ForkedProcess

        folder = tmp_path_factory.mktemp("command")
        said, complained = folder / "stdout", folder / "stderr"
        whole = {**_environment(), **env}
        command = ForkedProcess(_fork_server(), [sys.executable, "-m", *args], env=whole, log=said, errors=complained)
        command.launch()
        try:
            code = command.wait(60)
        finally:
            command.kill()
        assert code is not None
        return subprocess.CompletedProcess(args, code, said.read_text(), complained.read_text())

    return run


class RunningService:
    """A service that runs as a process of its own: `api` calls it as the gateway does, `process` is the process."""

    def __init__(self, process: Process, service: str, amqp_uri: str, health: str) -> None:
        self.process, self.service, self.amqp_uri, self.health = process, service, amqp_uri, health
        self._api: ApiClient | None = None

    @property
    def api(self) -> ApiClient:
        """A client of the service, connected when first asked for."""
        from chassis.api_client import ApiClient

        if self._api is None:
            self._api = ApiClient(self.amqp_uri, self.service)
        return self._api

    def wait_ready(self) -> None:
        """Wait until the service says that it waits for nothing."""
        wait_ready(self.process, f"{self.health}/health/ready")

    def stop(self) -> int | None:
        """Ask it to end, and wait. Gives its exit code."""
        return self.process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def close(self) -> None:
        """Close what talks to it."""
        if self._api is not None:
            self._api.close()


RunService = Callable[..., RunningService]


@pytest.fixture(scope="module")
def topology(broker: RabbitMQ) -> RabbitMQ:
    """The RabbitMQ with all that is shared on it declared, for the services and for the notebook of the chassis' tests."""
    from chassis.connection import connect
    from chassis.topology import declare, shared

    connection = connect(broker.uri, "topology")
    declare(connection, shared([*SERVICES, NOTEBOOK]))
    connection.close()
    return broker


def _forget_queues(broker: RabbitMQ) -> None:
    """Remove what services and logs have on a broker, with the messages in it."""
    from chassis.connection import connect
    from chassis.topology import Queue, queues_of, shared

    services = (*SERVICES, NOTEBOOK)
    connection = connect(broker.uri, "test")
    channel = connection.channel()
    for one in (*shared(services), *(queue for service in services for queue in queues_of(service))):
        if isinstance(one, Queue):
            channel.queue_delete(one.name)
    connection.close()


class Services:
    """Starts services as real processes, on the run's broker and database, by a way to start processes."""

    def __init__(self, broker: RabbitMQ, database: MongoDB, start: StartProcess) -> None:
        self.broker, self.database, self.start = broker, database, start
        self.running: list[RunningService] = []

    def run(
        self, name: str, args: Sequence[str] | None = None, env: Mapping[str, str] | None = None, wait: bool = True
    ) -> RunningService:
        """Start a service, by default `python -m <name>`, and wait until it is ready.

        Its broker account is the service's own where there is one; its database too, unless `env` has another `CG_MONGO_URI`.
        """
        from chassis.nodes import free_port

        port = free_port()
        amqp_uri = self.broker.uri_for(name) if name in SERVICES else self.broker.uri
        settings = {"CG_AMQP_URI": amqp_uri, "CG_HEALTH_PORT": str(port), **(env or {})}
        if "CG_MONGO_URI" not in settings:
            settings["CG_MONGO_URI"] = self.database.uri_for(name)
        process = self.start(args or [sys.executable, "-m", name], settings)
        one = RunningService(process, name, self.broker.uri, f"http://127.0.0.1:{port}")
        self.running.append(one)
        if wait:
            one.wait_ready()
        return one

    def close(self) -> None:
        """Close what talks to them."""
        for one in self.running:
            one.close()


@pytest.fixture
def run_service(topology: RabbitMQ, database: MongoDB, start_process: StartProcess) -> Iterator[RunService]:
    """Start services that end with the test: `run_service("groups")`. See Services.run."""
    services = Services(topology, database, start_process)
    yield services.run
    services.close()


@pytest.fixture(scope="module")
def shared_service(
    topology: RabbitMQ, database: MongoDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunService]:
    """Start services that the tests of a module share, and leave running: `shared_service("groups")`. See Services.run."""
    processes: list[Process] = []
    services = Services(topology, database, process_starter(tmp_path_factory.mktemp("services"), processes))
    yield services.run
    services.close()
    for process in reversed(processes):
        process.kill()


def wait_ready(process: Process, url: str, timeout: float = 30) -> None:
    """Wait until `url` answers 200. Raises NodeError, with the end of the log, when that does not come."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    process.wait_until(answers, timeout, url)


def wait_until(condition: Callable[[], object], timeout: float = 10, what: str = "it") -> None:
    """Wait until `condition` gives something true. Raises AssertionError when the time is up."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.01)
