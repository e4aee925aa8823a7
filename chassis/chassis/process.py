"""A process that operators can run: it starts in any order, says what it waits for, and ends without losing what it holds."""

# Patching comes before any other import, or what was imported first would block the hub (eventlet's documentation).
# isort: off
import warnings

# eventlet says at every start that it is in maintenance; docs/decisions/0004 says why we stand on it all the same.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()
# isort: on

import importlib  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from nameko.containers import ServiceContainer  # noqa: E402
from pymongo import MongoClient  # noqa: E402
from pymongo.errors import PyMongoError  # noqa: E402

from chassis import contract, logs, tracing  # noqa: E402
from chassis.connection import FAULTS, close_quietly, connect  # noqa: E402
from chassis.health import Health  # noqa: E402
from chassis.settings import EXIT_CONFIGURATION, ServiceSettings, Settings, read_or_exit  # noqa: E402
from chassis.topology import Mismatch  # noqa: E402
from chassis.vocabulary import use_aliases  # noqa: E402

log = logging.getLogger(__name__)

MARGIN_SECONDS = 2
"""What the watchdog gives an orderly end beyond `drain_seconds`, before it ends the process."""


class Signals:
    """Whether the process was asked to end. A handler only notes it: nothing else is safe where a signal interrupts."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: Any) -> None:
        self.asked = True

    def wait(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Wait until asked to end, or until `ended()`."""
        while not self.asked and not ended():
            eventlet.sleep(0.1)


def watchdog(seconds: float) -> None:
    """End the process after `seconds`, whatever still hangs (a broker that is away can hold an orderly end for ever)."""

    def bite() -> None:
        log.error("the orderly end took too long", extra={"seconds": seconds})
        os._exit(1)

    eventlet.spawn_after(seconds, bite)


def await_broker(amqp_uri: str, health: Health, signals: Signals, name: str) -> None:
    """Wait with back-off until the broker lets us in."""

    def attempt() -> None:
        close_quietly(connect(amqp_uri, name))

    _await("broker", attempt, FAULTS, health, signals)


def await_database(mongo_uri: str, health: Health, signals: Signals) -> None:
    """Wait with back-off until the database has a primary that lets us in."""

    def attempt() -> None:
        with MongoClient[Any](mongo_uri, serverSelectionTimeoutMS=2_000) as client:
            client.get_default_database("admin").command("ping", read_preference=None)
            client.admin.command("hello")
            if client.primary is None and client.topology_description.topology_type_name.startswith("ReplicaSet"):
                raise PyMongoError("no primary yet")

    _await("database", attempt, (PyMongoError, OSError), health, signals)


def _await(
    name: str, attempt: Callable[[], None], faults: tuple[type[Exception], ...], health: Health, signals: Signals
) -> None:
    pause = 0.1
    health.waiting(name, "connecting")
    while not signals.asked:
        try:
            attempt()
            health.ready(name)
            return
        except faults as fault:
            health.waiting(name, f"{type(fault).__name__}: {fault}"[:300])
            eventlet.sleep(pause)
            pause = min(pause * 2, 5)


def load(path: str) -> type[Any]:
    """The class that `package.module:Class` names."""
    module, _, name = path.partition(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def settings_class(service: type[Any]) -> type[ServiceSettings]:
    """The settings that a service declares by its Settings dependency, or the usual ones."""
    for name in dir(service):
        if isinstance(found := getattr(service, name), Settings):
            return found.declared
    return ServiceSettings


def main(path: str) -> None:
    """Run the service that `package.module:Class` names, until SIGTERM or SIGINT. Exits 0 when it ended orderly."""
    service = load(path)
    settings = read_or_exit(settings_class(service))
    logs.configure(service.name, settings.log_level, settings.log_format)
    tracing.configure(service.name)
    use_aliases(settings.interest_aliases)
    signals, health = Signals(), Health()
    try:
        port = health.serve(settings.health_host, settings.health_port)
    except OSError as fault:
        address = f"{settings.health_host}:{settings.health_port}"
        sys.stderr.write(f"CG_HEALTH_PORT: {address} cannot be listened on: {fault}\n")
        sys.exit(EXIT_CONFIGURATION)
    log.info("starting", extra={"health_port": port})
    await_broker(settings.amqp_uri, health, signals, service.name)
    await_database(settings.mongo_uri, health, signals)
    if not signals.asked:
        sys.exit(run(service, settings, health, signals))


def run(service: type[Any], settings: ServiceSettings, health: Health, signals: Signals) -> int:
    """Run a service's container until a signal or its death; returns the exit status."""
    container = ServiceContainer(
        service,
        {
            "settings": settings,
            "health": health,
            "contract": contract.reply_of(service, settings),
            "AMQP_URI": settings.amqp_uri,
            # One pool for all workers, large enough for both kinds: each kind is bounded by its own intake, so that
            # neither can take the other's places.
            "max_workers": settings.calls_at_once + settings.messages_at_once,
        },
    )
    try:
        container.start()
        health.ready("start")
        signals.wait(container._died.ready)
        if signals.asked:
            log.info("stopping")
            watchdog(settings.drain_seconds + MARGIN_SECONDS)
            health.waiting("stop", "stopping")
            container.stop()
        container.wait()
    except Mismatch as fault:
        log.critical("the broker's topology is not ours", extra={"fault": str(fault)})
        return EXIT_CONFIGURATION
    except Exception:
        log.critical("the service died", exc_info=True)
        return 1
    log.info("stopped")
    return 0
