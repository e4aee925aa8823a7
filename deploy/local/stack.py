"""What runs on one machine and where: ports, folders, secrets, and what each process is told."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.nodes import HOST, MongoDB, RabbitMQ, broker_user, free_port, operator_user

ROOT = Path(__file__).resolve().parents[2]
VAR = Path(os.environ.get("CG_VAR") or ROOT / "var").resolve()
FOLDERS = ("rabbitmq", "mongodb", "secrets", "log", "mail", "run")
SERVICES = ("groups", "events", "notifications")
GATEWAY = "gateway"
BROKER, DATABASE, MAIL = "broker", "database", "mail"
NODES = (BROKER, DATABASE)
ACCOUNTS = (*SERVICES, GATEWAY, "operator")


class Refusal(Exception):
    """Something that the person at the terminal must know or decide; the text says what to do."""


@dataclass(frozen=True)
class Ports:
    """Where everything listens. Away from the usual ports of RabbitMQ and MongoDB, which may be somebody else's.

    For a 0, which only a default may be, a free one is taken.
    """

    http: int = 8000
    groups_health: int = 8001
    events_health: int = 8002
    notifications_health: int = 8003
    amqp: int = 5682
    amqp_distribution: int = 25682
    amqp_api: int = 0
    mongo: int = 27027
    mail: int = 8025

    @staticmethod
    def variable(name: str) -> str:
        """Give the environment variable that sets a port."""
        return f"CG_{name.upper()}_PORT"

    @classmethod
    def from_environment(cls) -> Ports:
        """Read the ports. Raises Refusal that names every one that is no port, or is there twice."""
        found: dict[str, int] = {}
        faults: list[str] = []
        for field in fields(cls):
            text = os.environ.get(cls.variable(field.name), str(field.default or free_port()))
            if not text.isdecimal() or not 0 < int(text) < 65536:
                faults.append(f"{cls.variable(field.name)} is no port: {text!r}")
            elif int(text) in found.values():
                faults.append(f"{cls.variable(field.name)} is {text}, as another port is")
            else:
                found[field.name] = int(text)
        if faults:
            raise Refusal("\n".join(faults))
        return cls(**found)


class Stack:
    """One Common Ground on this machine, with its data in var/."""

    state = VAR / "run" / "stack.json"
    mail = VAR / "mail"
    log = VAR / "log"

    def __init__(self, ports: Ports, host: str = HOST) -> None:
        self.ports = ports
        self.host = host

    @classmethod
    def from_environment(cls) -> Stack:
        """Give the stack as the environment wants it."""
        return cls(Ports.from_environment(), os.environ.get("CG_HTTP_HOST", HOST))

    @classmethod
    def started(cls) -> Stack | None:
        """Give the stack as it was last started, or None when it was not, or was stopped."""
        try:
            state = json.loads(cls.state.read_text())
        except FileNotFoundError:
            return None
        return cls(Ports(**state["ports"]), state["host"])

    def remember(self) -> None:
        """Note how the stack was started, for the commands that come later."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        self.state.write_text(json.dumps({"ports": asdict(self.ports), "host": self.host}, indent=2))

    def forget(self) -> None:
        """Note that the stack was stopped."""
        self.state.unlink(missing_ok=True)

    @property
    def http(self) -> str:
        """The gateway's address, as seen from this machine."""
        host = HOST if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{host}:{self.ports.http}"

    def health(self, name: str) -> str:
        """Give the address that answers 200 when a service or the gateway is ready."""
        if name == GATEWAY:
            return f"{self.http}/health/ready"
        return f"http://{HOST}:{self._health_port(name)}/health/ready"

    def _health_port(self, service: str) -> int:
        return int(getattr(self.ports, f"{service}_health"))

    @cached_property
    def broker(self) -> RabbitMQ:
        """The private RabbitMQ."""
        passwords = _passwords()["amqp"]
        return RabbitMQ(
            VAR / "rabbitmq",
            [
                operator_user(passwords["operator"]),
                *(broker_user(name, passwords[name]) for name in (*SERVICES, GATEWAY)),
            ],
            port=self.ports.amqp,
            distribution_port=self.ports.amqp_distribution,
            api_port=self.ports.amqp_api,
        )

    @cached_property
    def database(self) -> MongoDB:
        """The private MongoDB."""
        passwords = _passwords()["mongodb"]
        users = {name: passwords[name] for name in SERVICES}
        return MongoDB(VAR / "mongodb", users, admin_password=passwords["admin"], port=self.ports.mongo)

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        """Give the command and the environment of one of the processes."""
        if name == BROKER:
            return self.broker.command()
        if name == DATABASE:
            return self.database.command()
        python = str(ROOT / ".venv/bin/python")
        if name == MAIL:
            return [python, str(Path(__file__).parent / "mail.py"), str(self.ports.mail), str(self.mail)], _inherited()
        return [python, "-m", name], {**_inherited(), **self._settings(name)}

    def _settings(self, name: str) -> dict[str, str]:
        settings = {"CG_AMQP_URI": self.broker.uri_for(name), "CG_MAIL_DIR": str(self.mail), "PYTHONUNBUFFERED": "1"}
        if name == GATEWAY:
            return settings | {
                "CG_HTTP_HOST": self.host,
                "CG_HTTP_PORT": str(self.ports.http),
                "CG_SERVICES": ",".join(SERVICES),
            }
        settings |= {"CG_MONGO_URI": self.database.uri_for(name), "CG_HEALTH_PORT": str(self._health_port(name))}
        if name == "groups":
            settings["CG_SIGNING_KEY_FILE"] = str(_signing_key())
        if name == "notifications" and not os.environ.get("CG_SMTP_HOST"):
            settings |= self._mail_settings()
        if name == "notifications":
            settings["CG_WEBHOOK_KEYS_FILE"] = str(_webhook_key())
            # Whoever tries webhooks here has the receiver on this machine too.
            settings["CG_WEBHOOK_NETWORKS"] = os.environ.get("CG_WEBHOOK_NETWORKS", "127.0.0.0/8,::1/128")
        return settings

    def _mail_settings(self) -> dict[str, str]:
        """Have mail land in the folder, unless whoever started the stack named a mail server."""
        return {
            "CG_SMTP_HOST": HOST,
            "CG_SMTP_PORT": str(self.ports.mail),
            "CG_SMTP_TLS": "off",
            "CG_MAIL_FROM": "Common Ground <notices@commonground.example>",
            "CG_PUBLIC_URL": self.http,
        }

    def addresses(self) -> dict[str, str]:
        """Give where everything listens and how to get in, for scripts."""
        found = {
            "CG_HTTP": self.http,
            "CG_AMQP_URI": self.broker.uri,
            "CG_AMQP_API": self.broker.api,
            "CG_MONGO_URI": self.database.uri,
            "CG_MAIL_DIR": str(self.mail),
            "CG_LOG_DIR": str(self.log),
        }
        for name in SERVICES:
            found[f"CG_{name.upper()}_HEALTH"] = f"http://{HOST}:{self._health_port(name)}"
            found[f"CG_{name.upper()}_AMQP_URI"] = self.broker.uri_for(name)
            found[f"CG_{name.upper()}_MONGO_URI"] = self.database.uri_for(name)
        found["CG_GATEWAY_AMQP_URI"] = self.broker.uri_for(GATEWAY)
        return found


def _inherited() -> dict[str, str]:
    """What the processes take over from whoever started the stack: log level, rate limits, OTEL_…; but no address."""
    ours = {"CG_AMQP_URI", "CG_AMQP_API", "CG_MONGO_URI", "CG_HTTP"} | {
        Ports.variable(field.name) for field in fields(Ports)
    }
    return {
        name: value for name, value in os.environ.items() if name not in ours and not name.startswith("SUPERVISOR_")
    }


def _passwords() -> dict[str, Any]:
    """Read the passwords, which are made when they are first needed."""
    path = _secrets() / "passwords.json"
    if not path.exists():
        made = {
            "amqp": {name: secrets.token_urlsafe(24) for name in ACCOUNTS},
            "mongodb": {name: secrets.token_urlsafe(24) for name in (*SERVICES, "admin")},
        }
        _write_secret(path, json.dumps(made, indent=2))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _signing_key() -> Path:
    """Give the file of the key that signs access tokens (ES256), made when it is first needed."""
    path = _secrets() / "signing-key.pem"
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_secret(path, pem.decode())
    return path


def _webhook_key() -> Path:
    """Give the file of the key that seals the secrets of webhooks, made when it is first needed."""
    path = _secrets() / "webhook-key"
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(32))
    return path


def _secrets() -> Path:
    folder = VAR / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _write_secret(path: Path, text: str) -> None:
    """Write a secret whole or not at all, for its owner's eyes only."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)
