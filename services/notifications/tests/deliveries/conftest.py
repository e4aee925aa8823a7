"""Receivers of webhooks: real HTTP servers in the test, on an address that the service is allowed to reach."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from chassis.testing import RunningService, wait_until

ENV = {"CG_WEBHOOK_NETWORKS": "127.0.0.1/32", "CG_WEBHOOK_KEYS": "a-key-for-tests-and-for-nothing-else"}


@dataclass
class Push:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """The message, if the signature holds. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """A server that answers as it is told: a status, or one after the other; it can hold its answers back."""

    answers: list[int] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    context: Any = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def do_GET(self) -> None:  # a redirect that was followed
                receiver.pushes.append(Push(self.path, {}, b""))
                self.send_error(500)

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: Any) -> None:
                """The other side went away: some tests want that."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if self.context:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, request: Any) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        with self.lock:
            self.pushes.append(Push(request.path, {k.lower(): v for k, v in request.headers.items()}, body))
            status = self.answers.pop(0) if self.answers else 204
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.hold is not None:
                self.hold.wait(60)
        finally:
            with self.lock:
                self.at_once -= 1
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        if status != 204:
            request.send_header("content-length", "2")
        request.end_headers()
        if status != 204:
            request.wfile.write(b"no")

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/hooks"

    @property
    def types(self) -> list[str]:
        """The types of what was pushed, in order."""
        return [one.json()["type"].removeprefix("commonground.") for one in self.pushes]

    def wait(self, count: int, timeout: float = 20) -> list[Push]:
        """What was pushed, once that is so much. No more has come."""
        wait_until(lambda: len(self.pushes) >= count, timeout, f"{count} pushes")
        assert len(self.pushes) == count, self.types
        return self.pushes

    def close(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Start receivers that end with the test: `receive(answers=[500])`."""
    started: list[Receiver] = []

    def start(**options: Any) -> Receiver:
        one = Receiver(**options)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.close()


@pytest.fixture
def receiver(receive: Callable[..., Receiver]) -> Receiver:
    """One receiver that takes everything."""
    return receive()


def certify(folder: Path, *names: str) -> ssl.SSLContext:
    """The context of a server with a certificate for these names, which who trusts `trusted.pem` in the folder takes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    found = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(found), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(secret + pem)
    (folder / "trusted.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@pytest.fixture(scope="session")
def certificate() -> Callable[..., ssl.SSLContext]:
    """Make a server's certificate: see `certify`."""
    return certify


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The context of a receiver at 127.0.0.1 which the service trusts, and the file by which it does."""
    folder = tmp_path_factory.mktemp("tls")
    return certify(folder, "127.0.0.1"), folder / "trusted.pem"


@pytest.fixture(scope="module")
def webhook_env(tls: tuple[ssl.SSLContext, Path]) -> dict[str, str]:
    """What a service is told that may push to the receivers of the tests."""
    return {**ENV, "SSL_CERT_FILE": str(tls[1])}


@pytest.fixture(scope="module")
def service(
    shared_service: Callable[..., RunningService], shared_database: str, webhook_env: dict[str, str]
) -> RunningService:
    """A notifications service of the module's own, which may push to the receivers of the tests."""
    return shared_service("notifications", env={"CG_MONGO_URI": shared_database, **webhook_env})


@pytest.fixture
def hook(world: Any) -> Callable[..., dict[str, Any]]:
    """Make a webhook: `hook(world.ana, receiver, "groups.*", group=…)`; gives it with its secret."""

    def make(who: Any, receiver: Receiver, *types: str, **fields: Any) -> dict[str, Any]:
        body = {"url": receiver.url, "types": list(types) or ["*"], **fields}
        answer = world.service.api.post("/v1/webhooks", body, as_=who)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()
        return made

    return make


@pytest.fixture
def log(world: Any) -> Callable[..., list[dict[str, Any]]]:
    """What the log of a webhook says, the newest first: `log(world.ana, hook)`."""

    def read(who: Any, webhook: dict[str, Any]) -> list[dict[str, Any]]:
        answer = world.service.api.get(f"/v1/webhooks/{webhook['id']}/deliveries", as_=who)
        assert answer.status == 200, answer.body
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    return read


@pytest.fixture
def newest(log: Any) -> Callable[..., dict[str, Any]]:
    """The newest delivery in the log of a webhook, as soon as there is one: `newest(world.ana, hook)`."""
    return lambda who, webhook: next(iter(log(who, webhook)), {"attempts": 0, "status": None})
