"""Settings come from the environment, are read and checked once at start, and are documented by the code that reads them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from environs import Env, EnvError
from marshmallow.validate import OneOf
from nameko.extensions import DependencyProvider

from chassis.vocabulary import read_aliases

EXIT_CONFIGURATION = 78
"""What a process exits with when its configuration is wrong (EX_CONFIG of sysexits.h)."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "text")

T = TypeVar("T")
_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting."""

    variable: str
    kind: str
    default: Any
    help: str
    secret: bool
    options: dict[str, Any]


def setting(
    kind: str, variable: str, default: Any = _REQUIRED, *, help: str, secret: bool = False, **options: Any
) -> Any:
    """Declare a setting as a class attribute: `kind` is a parser of environs (`str`, `int`, `bool`, `list`, `float`, …),
    or `interest_aliases`: the aliases in the file that is named.

    Without a default it is required. A `secret` may also be given as a file: `<variable>_FILE` names it.
    """
    return Setting(variable, kind, default, help, secret, options)


class ServiceSettings:
    """What every process reads. A service adds its own in a subclass."""

    amqp_uri: str = setting("str", "CG_AMQP_URI", help="The broker: amqp://user:password@host:port/vhost", secret=True)
    mongo_uri: str = setting(
        "str", "CG_MONGO_URI", help="The service's own database: mongodb://…/database", secret=True
    )
    health_host: str = setting("str", "CG_HEALTH_HOST", "127.0.0.1", help="Where health and metrics listen")
    health_port: int = setting("int", "CG_HEALTH_PORT", 0, help="The port for /health and /metrics; 0 takes a free one")
    calls_at_once: int = setting("int", "CG_CALLS_AT_ONCE", 64, help="How many calls one process works on at a time")
    messages_at_once: int = setting(
        "int", "CG_MESSAGES_AT_ONCE", 32, help="How many messages one process works on at a time"
    )
    calls_waiting: int = setting("int", "CG_CALLS_WAITING", 2000, help="How many calls may wait in the service's queue")
    drain_seconds: int = setting("int", "CG_DRAIN_SECONDS", 20, help="How long SIGTERM waits for what is in flight")
    log_level: str = setting(
        "str", "CG_LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR", validate=OneOf(LOG_LEVELS)
    )
    log_format: str = setting(
        "str", "CG_LOG_FORMAT", "auto", help="json, text, or auto (text on a terminal)", validate=OneOf(LOG_FORMATS)
    )
    interest_aliases: dict[str, str] = setting(
        "interest_aliases",
        "CG_INTEREST_ALIASES",
        "",
        help='A JSON file that says what interests are also called, e.g. {"caps": "washington capitals"}; the same for '
        "all services",
    )

    unused: ClassVar[tuple[str, ...]] = ()
    """Names of inherited settings that this kind of process does not read."""

    @classmethod
    def declared(cls) -> dict[str, Setting]:
        """All settings, by attribute, in the order of their declaration."""
        found: dict[str, Setting] = {}
        for one in reversed(cls.__mro__):
            found |= {name: value for name, value in vars(one).items() if isinstance(value, Setting)}
        return {name: value for name, value in found.items() if name not in cls.unused}

    @classmethod
    def read(cls: type[T], environment: dict[str, str] | None = None) -> T:
        """Read all settings. Raises ConfigurationFaults that names every fault at once."""
        env = Env()
        env.add_parser("interest_aliases", _aliases_in)
        faults: list[str] = []
        settings = cls()
        for name, one in cls.declared().items():  # type: ignore[attr-defined]
            try:
                setattr(settings, name, _read(env, one))
            except (EnvError, OSError, ValueError) as fault:
                faults.append(f"{one.variable}: {fault}. It is: {one.help}.")
        if faults:
            raise ConfigurationFaults(faults)
        return settings


class ConfigurationFaults(Exception):
    """The settings that are missing or wrong, all of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def read_or_exit(declared: type[T]) -> T:
    """Read settings, or say all that is wrong with them and exit 78."""
    try:
        return declared.read()  # type: ignore[attr-defined]
    except ConfigurationFaults as found:
        sys.stderr.write("The configuration is not complete:\n  " + "\n  ".join(found.faults) + "\n")
        raise SystemExit(EXIT_CONFIGURATION) from None


def _read(env: Env, one: Setting) -> Any:
    if one.secret and (path := env.str(one.variable + "_FILE", None)):
        return Path(path).read_text().strip()
    parse = getattr(env, one.kind)
    if one.default is _REQUIRED:
        return parse(one.variable, **one.options)
    return parse(one.variable, one.default, **one.options)


def _aliases_in(path: str) -> dict[str, str]:
    return read_aliases(Path(path).read_text(encoding="utf-8")) if path else {}


class Settings(DependencyProvider):
    """The dependency that gives a service its settings: `settings = Settings(GroupsSettings)`."""

    def __init__(self, declared: type[ServiceSettings] = ServiceSettings) -> None:
        self.declared = declared

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self.container.config["settings"]
