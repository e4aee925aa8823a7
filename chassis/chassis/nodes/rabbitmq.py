"""A private RabbitMQ node: own data, name, cookie and ports, so that the machine's own broker is never touched."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import amqp

from chassis.nodes.process import HOST, NodeError, NotInstalled, Process, free_port, require_free

# Where packages put the node's own start script. The command `rabbitmq-server` on the PATH is another one: it insists
# on running as the system's user, with the system's data.
SERVER_SCRIPTS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "/usr/local/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "/opt/rabbitmq*/sbin/rabbitmq-server",
)
INSTALL = "RabbitMQ is not installed. On Debian and Ubuntu:  apt-get install rabbitmq-server"


@dataclass(frozen=True)
class BrokerUser:
    """An account of the broker and what it may do: regular expressions over names of exchanges and queues."""

    name: str
    password: str
    configure: str = "^$"
    write: str = "^$"
    read: str = "^$"
    tags: tuple[str, ...] = ()


def server_script() -> Path:
    """Find the newest installed RabbitMQ. Raises NotInstalled."""
    found = sorted(path for pattern in SERVER_SCRIPTS for path in Path("/").glob(pattern.lstrip("/")))
    if not found or not shutil.which("erl"):
        raise NotInstalled(INSTALL)
    return found[-1]


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Hash a password as RabbitMQ stores it: base64 of a salt of 4 bytes and SHA-256 of salt and password.

    Source: https://www.rabbitmq.com/docs/passwords#computing-password-hash
    """
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class RabbitMQ:
    """A RabbitMQ node in the folder `data`, reachable from this machine only.

    `users` are created, and brought to what is given here, at each start. The first one is used to see whether the
    node answers. Ports that are left out are chosen. Erlang has a scheduler for each core where `schedulers` says nothing.
    """

    def __init__(
        self,
        data: Path,
        users: Sequence[BrokerUser],
        *,
        port: int | None = None,
        distribution_port: int | None = None,
        api_port: int | None = None,
        schedulers: int | None = None,
        dies_with_parent: bool = False,
    ) -> None:
        self.data = data.resolve()
        self.users = {user.name: user for user in users}
        self.port = port or free_port()
        self.distribution_port = distribution_port or free_port()
        self.api_port = api_port or free_port()
        self.log = self.data / "log" / "rabbitmq.log"
        self._schedulers = schedulers
        self._dies_with_parent = dies_with_parent
        self._process: Process | None = None

    @property
    def uri(self) -> str:
        """The AMQP address for the first user."""
        return self.uri_for(next(iter(self.users)))

    def uri_for(self, user: str) -> str:
        """Give the AMQP address with the name and password of one of the users."""
        account = self.users[user]
        return f"amqp://{quote(account.name, safe='')}:{quote(account.password, safe='')}@{HOST}:{self.port}/%2F"

    @property
    def api(self) -> str:
        """The address of the management API, by which accounts are made while the node runs."""
        return f"http://{HOST}:{self.api_port}"

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Write the node's configuration; give the command and the environment that run it in the foreground."""
        script = server_script()
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)
        cookie = self.data / ".erlang.cookie"
        if not cookie.exists():  # Erlang's own choice can be guessed
            self._write(cookie.name, secrets.token_hex(20))
            cookie.chmod(0o400)
        self._write("rabbitmq.conf", self._configuration())
        self._write("definitions.json", json.dumps(self._definitions(), indent=2))
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write("rabbitmq-env.conf", "")
        return [str(script)], self._environment()

    def launch(self) -> None:
        """Start the node and return at once; `wait_ready` waits for it. Raises NotInstalled, NodeError."""
        if self.is_running:
            return
        require_free(self.port)
        require_free(self.distribution_port)
        require_free(self.api_port)
        args, env = self.command()
        console = self.data / "log" / "console.log"
        self._process = Process(args, env=env, log=console, cwd=self.data, dies_with_parent=self._dies_with_parent)
        self._process.launch()

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until somebody can log in. Raises NodeError when the node ended or the time is up."""
        if self._process is None:
            raise NodeError("RabbitMQ was not started.")
        self._process.wait_until(self.answers, timeout, "RabbitMQ")

    def start(self, timeout: float = 60) -> None:
        """Start the node and wait until somebody can log in; one that runs is left as it is."""
        self.launch()
        try:
            self.wait_ready(timeout)
        except NodeError:
            self.kill()
            raise

    def stop(self) -> None:
        """Shut the node down in order."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End the node with SIGKILL; `start` brings it back with the data that it had on disk."""
        if self._process is not None:
            self._process.kill()

    def wait_registered(self, *queues: str, timeout: float = 30) -> None:
        """Wait until quorum queues declared just now would survive a kill of the node. Raises NodeError.

        RabbitMQ confirms a declaration up to a few seconds before it has written down which Raft servers it runs. A
        node killed in between knows the queue but never serves it again. Messages in a registered queue have no gap.
        """
        deadline = time.monotonic() + timeout
        while missing := [name for name in queues if f"%2F_{name}".encode() not in self._registry()]:
            if time.monotonic() > deadline:
                raise NodeError(f"RabbitMQ has not registered the queues {', '.join(missing)} within {timeout:.0f} s.")
            time.sleep(0.05)

    def _registry(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.data.glob("mnesia/*/quorum/*/names.dets"))

    @property
    def is_running(self) -> bool:
        """Whether the node was started here and has not ended."""
        return self._process is not None and self._process.is_running

    @property
    def pid(self) -> int | None:
        """The process id of the Erlang virtual machine."""
        return self._process.pid if self._process is not None else None

    def answers(self) -> bool:
        """Say whether the first user can log in now."""
        user = next(iter(self.users.values()))
        try:
            connection = amqp.Connection(
                f"{HOST}:{self.port}", user.name, user.password, connect_timeout=2, read_timeout=5, write_timeout=5
            )
            connection.connect()
            connection.close()
        except (OSError, amqp.AMQPError):
            return False
        return True

    def __enter__(self) -> RabbitMQ:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.touch(mode=0o600)
        path.write_text(text)

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"listeners.tcp.default = {HOST}:{self.port}",
                f"load_definitions = {self.data}/definitions.json",
                f"log.file = {self.log.name}",
                "log.file.level = info",
                "log.console = false",
                # A full disk must stop publishers before it stops everything else on a small machine.
                "disk_free_limit.absolute = 256MB",
                # 512 MB by default, all of it also in memory.
                "raft.wal_max_size_bytes = 67108864",
                f"management.tcp.ip = {HOST}",
                f"management.tcp.port = {self.api_port}",
                # It is there to manage accounts; the numbers it could show are not collected.
                "management_agent.disable_metrics_collector = true",
                "",
            ]
        )

    def _definitions(self) -> Mapping[str, object]:
        return {
            "vhosts": [{"name": "/"}],
            "users": [
                {
                    "name": user.name,
                    "password_hash": password_hash(user.password),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": list(user.tags),
                }
                for user in self.users.values()
            ],
            "permissions": [
                {"user": user.name, "vhost": "/", "configure": user.configure, "write": user.write, "read": user.read}
                for user in self.users.values()
            ],
        }

    def _environment(self) -> dict[str, str]:
        node = "commonground@localhost"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.data),  # the cookie is there
            "RABBITMQ_NODENAME": node,
            "RABBITMQ_CONF_ENV_FILE": str(self.data / "rabbitmq-env.conf"),  # not the system's
            "RABBITMQ_CONFIG_FILE": str(self.data / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.data / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.log.parent),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            # Several Erlang machines that bind to the same cores would wait for each other.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            # No epmd: it would listen for all nodes of the machine and outlive this one. A node alone needs none.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-erl_epmd_port {self.distribution_port} -sname {node} -kernel inet_dist_use_interface {{127,0,0,1}}"
                + (f" +S {self._schedulers}" if self._schedulers else "")
            ),
            # In the environment, because each minute the node starts another Erlang machine, which would start epmd.
            "ERL_ZFLAGS": "-start_epmd false",
            # Where no epmd is: the node shall not make itself known to the system's.
            "ERL_EPMD_PORT": "0",
            # Has the script become the Erlang machine instead of a shell that waits for it: one process to signal.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
