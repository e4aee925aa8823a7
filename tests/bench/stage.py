"""Where the benches play: a private broker and database, the platform's own processes, and the peers, all gone at the end."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymongo import MongoClient
from pymongo.database import Database

from chassis.nodes import HOST, MongoDB, NodeError, Process, RabbitMQ, broker_user, free_port, operator_user

ROOT = Path(__file__).parents[2]
SERVICES = ("groups", "events", "notifications")
GATEWAY = "gateway"
PEERS = "peers"
"""The database that the peers work on."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Stage(AbstractContextManager["Stage"]):
    """A broker and a database for one run, and whatever is started on them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="commonground-bench-"))
        self.programs: dict[str, Process] = {}
        passwords = {name: secrets.token_urlsafe(12) for name in (*SERVICES, GATEWAY, PEERS)}
        users = [operator_user(secrets.token_urlsafe(12))]
        users += [broker_user(name, passwords[name]) for name in (*SERVICES, GATEWAY)]
        self.broker = RabbitMQ(self.folder / "rabbitmq", users, dies_with_parent=True)
        self.mongo = MongoDB(
            self.folder / "mongodb",
            {name: passwords[name] for name in (*SERVICES, PEERS)},
            admin_password=secrets.token_urlsafe(12),
            cache_gb=1.0,
            dies_with_parent=True,
        )

    def __enter__(self) -> Stage:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.broker.launch()
            self.mongo.launch()
            self.mongo.wait_ready()
            self.broker.wait_ready()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        for name in list(self.programs):
            self.end(name)
        self.broker.kill()
        self.mongo.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def client(self) -> MongoClient[dict[str, Any]]:
        """The database server, for the administrator."""
        return MongoClient(self.mongo.uri, tz_aware=True)

    def database(self, name: str) -> Database[dict[str, Any]]:
        """One database, for the administrator."""
        return self.client[name]

    def start(
        self,
        name: str,
        module: str,
        env: Mapping[str, str],
        ready: Callable[[], bool] = lambda: True,
        timeout: float = 60,
    ) -> Process:
        """Run `python -m module` and wait until it is ready. Raises NodeError, with the end of its log."""
        search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        whole = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONPATH": search, **env}
        process = Process(
            [sys.executable, "-m", module], env=whole, log=self.folder / f"{name}.log", cwd=ROOT, dies_with_parent=True
        )
        process.launch()
        self.programs[name] = process
        process.wait_until(ready, timeout, name)
        return process

    def end(self, name: str) -> None:
        """End a program; one that does not want to within 5 s is killed."""
        self.programs.pop(name).stop(timeout=5)

    def pid_of(self, name: str) -> int:
        """The process id of a program, of `rabbitmq` or of `mongodb`."""
        pid = {"rabbitmq": self.broker.pid, "mongodb": self.mongo.pid}.get(name) or self.programs[name].pid
        assert pid is not None
        return pid

    def pause(self, *names: str) -> None:
        """Hold programs still, so that what they do when idle does not count for others."""
        for name in names:
            self.programs[name].send(signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        """Let programs run on."""
        for name in names:
            self.programs[name].send(signal.SIGCONT)

    def declare_topology(self) -> None:
        """Declare what the platform shares on the broker, as an operator does. Raises NodeError."""
        said = subprocess.run(
            [sys.executable, "-m", "chassis", "topology", *SERVICES],
            env={**os.environ, "CG_AMQP_URI": self.broker.uri},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if said.returncode:
            raise NodeError(f"The topology could not be declared.\n{said.stdout}{said.stderr}")

    @cached_property
    def platform(self) -> Platform:
        """Common Ground itself, started when a bench first asks for it."""
        return Platform(self)


class Platform:
    """The gateway and the three services as an operator runs them, but without rate limits and access log."""

    def __init__(self, stage: Stage) -> None:
        self.port = free_port()
        self.smtp_port = free_port()
        self.signing_key = _signing_key()
        stage.declare_topology()
        stage.start("smtp_sink", "tests.bench.peers.smtp_sink", {"BENCH_PORT": str(self.smtp_port)})
        health = {name: free_port() for name in (*SERVICES, GATEWAY)}
        for name in (*SERVICES, GATEWAY):
            env = {
                "CG_AMQP_URI": stage.broker.uri_for(name),
                "CG_HEALTH_PORT": str(health[name]),
                "CG_RATE_LIMITS": "off",
                "CG_LOG_LEVEL": "WARNING",
            }
            if name == GATEWAY:
                env |= {"CG_HTTP_PORT": str(self.port), "CG_SERVICES": ",".join(SERVICES), "CG_ACCESS_LOG": "off"}
            else:
                env |= {"CG_MONGO_URI": stage.mongo.uri_for(name)}
            if name == "groups":
                env |= {"CG_SIGNING_KEY": self.signing_key}
            if name == "notifications":
                env |= {"CG_SMTP_HOST": HOST, "CG_SMTP_PORT": str(self.smtp_port), "CG_SMTP_TLS": "off"}
                env |= {"CG_MAIL_FROM": "Common Ground <notices@cg.example>", "CG_PUBLIC_URL": "https://cg.example"}
                env |= {"CG_WEBHOOK_NETWORKS": f"{HOST}/32", "CG_WEBHOOKS_PER_PERSON": "1000"}
                env |= {"CG_WEBHOOK_KEYS": secrets.token_urlsafe(32)}
            stage.start(name, name, env)
        for name, port in health.items():
            stage.programs[name].wait_until(partial(answers, port, "/health/ready"), 60, name)


def _signing_key() -> str:
    """A new private key for access tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def answers(port: int, path: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET of the path is answered with 200 now."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
