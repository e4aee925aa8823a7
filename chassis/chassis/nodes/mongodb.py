"""A private MongoDB replica set of one: own data and port, with a database and a user for each service."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chassis.nodes.process import HOST, NodeError, NotInstalled, Process, free_port, require_free

REPLICA_SET = "commonground"
OLDEST = (6, 0)
INSTALL = (
    "MongoDB 6.0 or later is not installed. Install the package mongodb-org-server of the MongoDB project for this"
    " system, or put its mongod on the PATH. (On Linux x86-64 with OpenSSL 3, `make up` and `make test` bring one.)"
)
ADMIN = "admin"

# Error codes of the server.
UNAUTHORIZED, AUTHENTICATION_FAILED, ALREADY_INITIALIZED, USER_EXISTS = 13, 18, 23, 51003


def mongod() -> Path:
    """Find a mongod of 6.0 or later: on the PATH, else the one in the package fiftyone-db. Raises NotInstalled."""
    on_path = shutil.which("mongod")
    if on_path and _version(on_path) >= OLDEST:
        return Path(on_path)
    from_package = carried()
    if from_package and _version(str(from_package)) >= OLDEST:
        return from_package
    if from_package:
        raise NotInstalled(f"{INSTALL}\nThe one in {from_package} lacks a library here: apt-get install libcurl4")
    raise NotInstalled(INSTALL)


def carried() -> Path | None:
    """Find the mongod in the package fiftyone-db, whether it runs here or not."""
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or []) if package else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.exists():
            return program
    return None


def _version(program: str) -> tuple[int, int]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.search(r"v(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class MongoDB:
    """A mongod in the folder `data`, reachable from this machine only, that asks for a password.

    `users` maps the name of a database to the password of its user, who has the same name and may read, write and
    index that database alone. They are created, and get the password given here, at each start.
    """

    def __init__(
        self,
        data: Path,
        users: dict[str, str],
        *,
        admin_password: str,
        port: int | None = None,
        cache_gb: float = 0.5,
        dies_with_parent: bool = False,
    ) -> None:
        self.data = data.resolve()
        self.users = dict(users)
        self.port = port or free_port()
        self.log = self.data / "mongod.log"
        self._admin_password = admin_password
        self._cache_gb = cache_gb
        self._dies_with_parent = dies_with_parent
        self._process: Process | None = None

    @property
    def uri(self) -> str:
        """The address for the administrator."""
        return self._address(ADMIN, self._admin_password, "")

    def uri_for(self, database: str) -> str:
        """Give the address of one database for its own user."""
        return self._address(database, self.users[database], database)

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Lay the folder out; give the command and the environment that run the node in the foreground."""
        program = mongod()
        (self.data / "db").mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)
        key = self.data / "keyfile"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(base64.b64encode(secrets.token_bytes(96)).decode())
        key.chmod(0o600)
        args = [str(program), "--dbpath", str(self.data / "db"), "--port", str(self.port), "--bind_ip", HOST]
        args += ["--nounixsocket", "--replSet", REPLICA_SET, "--keyFile", str(key)]
        args += ["--logpath", str(self.log), "--logappend", "--quiet"]
        args += ["--wiredTigerCacheSizeGB", str(self._cache_gb), "--oplogSize", "512"]
        for name, value in {
            "diagnosticDataCollectionEnabled": "false",
            # Passwords are random here: to stretch them adds nothing but the time it takes, for each that connects.
            "scramSHA256IterationCount": "5000",
            # The transaction of a service that was killed holds its documents for this long; no endpoint runs longer.
            "transactionLifetimeLimitSeconds": "5",
            # There is no other member to hand over to.
            "shutdownTimeoutMillisForSignaledShutdown": "100",
        }.items():
            args += ["--setParameter", f"{name}={value}"]
        return args, {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.data), "LANG": "C.UTF-8"}

    def launch(self) -> None:
        """Start the node and return at once; `wait_ready` waits for it. Raises NotInstalled, NodeError."""
        if self.is_running:
            return
        require_free(self.port)
        args, env = self.command()
        console = self.data / "console.log"
        self._process = Process(args, env=env, log=console, cwd=self.data, dies_with_parent=self._dies_with_parent)
        self._process.launch()

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until the node is primary and its users exist. Raises NodeError when it ended or the time is up."""
        if self._process is None:
            raise NodeError("MongoDB was not started.")
        self._process.wait_until(self.prepare, timeout, "MongoDB")

    def start(self, timeout: float = 60) -> None:
        """Start the node and wait until it is primary; one that runs is left as it is."""
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
        """End the node with SIGKILL; `start` brings it back with its journal."""
        if self._process is not None:
            self._process.kill()

    @property
    def is_running(self) -> bool:
        """Whether the node was started here and has not ended."""
        return self._process is not None and self._process.is_running

    @property
    def pid(self) -> int | None:
        """The process id of mongod."""
        return self._process.pid if self._process is not None else None

    def prepare(self) -> bool:
        """Take a running node as far as it goes now: replica set, administrator, users. Says whether all is done.

        Repeating it changes nothing. Raises NodeError when the data has another administrator's password.
        """
        try:
            with self._client() as client:
                hello = client.admin.command("hello")
                if not hello.get("setName"):
                    self._form_replica_set(client)
                if not hello.get("isWritablePrimary"):
                    return False
                self._create_admin(client)
            with self._client(self._admin_password) as client:
                for database, password in self.users.items():
                    _give_database(client, database, password)
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            raise NodeError(
                f"The MongoDB data in {self.data} has another administrator's password than the one given."
                " Restore the secret that belongs to the data, or remove the data."
            ) from None
        except PyMongoError:
            return False  # not listening yet, or changing its state
        return True

    def add_database(self, database: str, password: str) -> str:
        """Add a database with its user to the running node. Gives its address for that user."""
        self.users[database] = password
        with self._client(self._admin_password) as client:
            _give_database(client, database, password)
        return self.uri_for(database)

    def drop_database(self, database: str) -> None:
        """Remove a database and its user from the running node."""
        self.users.pop(database, None)
        with self._client(self._admin_password) as client:
            client[database].command("dropAllUsersFromDatabase")
            client.drop_database(database)

    def clear(self) -> None:
        """Remove everything that is kept in the running node but its users."""
        with self._client(self._admin_password) as client:
            for name in client.list_database_names():
                if name not in ("admin", "config", "local"):
                    client.drop_database(name)

    def __enter__(self) -> MongoDB:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _address(self, user: str, password: str, database: str) -> str:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"mongodb://{login}@{HOST}:{self.port}/{database}?replicaSet={REPLICA_SET}"

    def _client(self, admin_password: str | None = None) -> MongoClient[dict[str, Any]]:
        login: dict[str, Any] = {"username": ADMIN, "password": admin_password} if admin_password else {}
        return MongoClient(
            HOST, self.port, directConnection=True, serverSelectionTimeoutMS=500, connectTimeoutMS=2000, **login
        )

    def _form_replica_set(self, client: MongoClient[dict[str, Any]]) -> None:
        """Make the node a replica set of one, or tell the one it is that it has moved to another port."""
        member = {"_id": 0, "host": f"{HOST}:{self.port}"}
        try:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        except OperationFailure as error:
            if error.code not in (UNAUTHORIZED, ALREADY_INITIALIZED):
                raise
            with self._client(self._admin_password) as admin:
                config = admin.admin.command("replSetGetConfig")["config"]
                config["members"][0]["host"] = member["host"]
                config["version"] += 1
                admin.admin.command("replSetReconfig", config, force=True)

    def _create_admin(self, client: MongoClient[dict[str, Any]]) -> None:
        """Create the administrator, which a node without users lets anybody on its machine do, once.

        Source: https://www.mongodb.com/docs/manual/core/localhost-exception/
        """
        try:
            client.admin.command(
                "createUser", ADMIN, pwd=self._admin_password, roles=["root"], mechanisms=["SCRAM-SHA-256"]
            )
        except OperationFailure as error:
            if error.code not in (UNAUTHORIZED, USER_EXISTS):
                raise


def _give_database(client: MongoClient[dict[str, Any]], database: str, password: str) -> None:
    given: dict[str, Any] = {"pwd": password, "roles": ["readWrite", "dbAdmin"], "mechanisms": ["SCRAM-SHA-256"]}
    try:
        client[database].command("createUser", database, **given)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        client[database].command("updateUser", database, **given)
