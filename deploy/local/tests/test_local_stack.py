"""One machine, one command: the whole platform comes up, stays up, says what is in its way, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chassis.connection import connect
from chassis.nodes import free_port
from chassis.testing import wait_until

RUN = Path(__file__).parents[1] / "run.py"
PORTS = ["HTTP", "GROUPS_HEALTH", "EVENTS_HEALTH", "NOTIFICATIONS_HEALTH", "AMQP", "AMQP_DISTRIBUTION", "MONGO", "MAIL"]

Local = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Run a command of a stack of its own: `local("up", CG_HTTP_PORT="…")`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CG_")}
    env |= {f"CG_{name}_PORT": str(free_port()) for name in PORTS} | {"CG_VAR": str(tmp_path / "var")}

    def run(command: str, **more: str) -> subprocess.CompletedProcess[str]:
        args = [sys.executable, "-W", "ignore", str(RUN), command]
        return subprocess.run(args, env={**env, **more}, capture_output=True, text=True, timeout=200)

    yield run
    run("clean")


def addresses(local: Local) -> dict[str, str]:
    return dict(line.split("=", 1) for line in local("env").stdout.splitlines())


def processes(local: Local) -> dict[str, int]:
    """Give the process ids by name; empty while not all are ready."""
    said = local("status")
    if said.returncode:
        return {}
    return {line.split()[0]: int(line.split("pid ")[1].split(",")[0]) for line in said.stdout.splitlines()}


@pytest.mark.timeout(300)
def test_the_platform_comes_up_stays_up_and_goes_without_a_trace(local: Local, tmp_path: Path) -> None:
    up = local("up")
    assert up.returncode == 0, up.stdout + up.stderr
    http = addresses(local)["CG_HTTP"]
    with urllib.request.urlopen(f"{http}/openapi.json") as answer:
        assert answer.status == 200

    again = local("up")
    assert (again.returncode, "up already" in again.stdout) == (0, True)

    added = local("operate", DO="subscribers add newsletter")
    assert added.returncode == 0, added.stderr

    before = processes(local)
    assert set(before) == {"broker", "database", "mail", "groups", "events", "notifications", "gateway"}
    os.kill(before["gateway"], signal.SIGKILL)
    os.kill(before["broker"], signal.SIGKILL)
    wait_until(lambda: processes(local), 60, "the killed processes coming back")
    after = processes(local)
    assert after["gateway"] != before["gateway"]
    assert after["broker"] != before["broker"]

    with closing(connect(added.stdout.strip(), "test")) as connection:
        connection.channel().queue_declare("subscriber.newsletter", exclusive=True)

    secrets = [path for path in (tmp_path / "var/secrets").iterdir() if path.stat().st_mode & 0o077]
    assert secrets == []
    down = local("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert [pid for pid in after.values() if Path(f"/proc/{pid}").exists()] == []
    assert local("status").returncode == 1
    assert (tmp_path / "var/mongodb").exists()
    assert local("clean").returncode == 0
    assert not (tmp_path / "var").exists()


def test_a_taken_port_is_named_with_the_variable_that_sets_another(local: Local) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = str(somebody.getsockname()[1])
        up = local("up", CG_MONGO_PORT=port)
    assert up.returncode == 1
    assert f"Port {port} is taken. Set another one: CG_MONGO_PORT=… make up" in up.stderr


def test_what_is_no_port_is_said_before_anything_starts(local: Local) -> None:
    up = local("up", CG_HTTP_PORT="http", CG_AMQP_PORT="8001", CG_GROUPS_HEALTH_PORT="8001")
    assert up.returncode == 1
    assert "CG_HTTP_PORT is no port: 'http'" in up.stderr
    assert "CG_AMQP_PORT is 8001, as another port is" in up.stderr


@pytest.mark.parametrize("command", ["status", "env", "story", "operate", "logs"])
def test_commands_say_that_nothing_runs_and_what_to_do(local: Local, command: str) -> None:
    said = local(command)
    assert said.returncode == 1
    assert "make up" in said.stderr
    assert "Traceback" not in said.stderr


def test_down_without_a_running_stack_is_no_fault(local: Local) -> None:
    assert local("down").returncode == 0
