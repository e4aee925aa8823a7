"""Runs the gateway: `python -m gateway`."""

# Patches the standard library, so it comes first.
from chassis.process import Signals, watchdog  # isort: skip

import logging
import resource
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from limits.errors import ConfigurationError

from chassis import logs, tracing
from chassis.announcements import Announcements
from chassis.calls import CallClient
from chassis.health import Health
from chassis.live import Wakes
from chassis.process import MARGIN_SECONDS
from chassis.settings import EXIT_CONFIGURATION, read_or_exit
from gateway import measures
from gateway.access import AccessLog
from gateway.addresses import Addresses
from gateway.application import Gateway
from gateway.contracts import Contracts
from gateway.credentials import Credentials
from gateway.pages import Pages
from gateway.rates import Rates
from gateway.server import Server
from gateway.settings import GatewaySettings
from gateway.streams import Streams

log = logging.getLogger("gateway")

T = TypeVar("T")


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status."""
    settings = read_or_exit(GatewaySettings)
    logs.configure("gateway", settings.log_level, settings.log_format)
    tracing.configure("gateway")
    signals, health = Signals(), Health()
    _raise_file_limit(settings.connections)
    rates = _read(
        "CG_RATE_LIMITS_STORE",
        lambda: Rates(
            settings.rate_limit_person,
            settings.rate_limit_address,
            settings.rate_limits_store,
            on=settings.rate_limits != "off",
        ),
    )
    calls = CallClient(settings.amqp_uri, "gateway", _tell(health))
    contracts = Contracts(settings.services, calls.call, health)
    streams = Streams(calls.call, partial(Wakes, settings.amqp_uri, "gateway"), settings.streams)
    access_log = _access_log(settings)
    gateway = Gateway(
        contracts=contracts,
        credentials=Credentials(contracts),
        rates=rates,
        addresses=Addresses(settings.trusted_proxies),
        pages=Pages(contracts, health),
        call=calls.call,
        streams=streams,
        deadline_seconds=settings.call_deadline_seconds,
        access_log=access_log,
    )
    try:
        server = Server(settings.http_host, settings.http_port, gateway, settings.connections)
    except OSError as fault:
        print(
            f"CG_HTTP_PORT: {settings.http_host}:{settings.http_port} cannot be listened on: {fault}", file=sys.stderr
        )
        return EXIT_CONFIGURATION
    measures.connections.set_function(lambda: len(server.connections))
    announcements = Announcements(settings.amqp_uri, "gateway", contracts.announced)
    health.serve(settings.health_host, settings.health_port)
    for one in (calls, announcements, contracts, streams, server):
        one.start()
    health.ready("start")
    log.info("serving", extra={"http": f"http://{settings.http_host}:{server.port}"})
    signals.wait()

    log.info("stopping")
    watchdog(settings.drain_seconds + MARGIN_SECONDS)
    health.waiting("stop", "stopping")
    contracts.stop()
    streams.stop()
    if not server.drain(settings.drain_seconds):
        log.warning("requests were cut off", extra={"connections": len(server.connections)})
    announcements.stop()
    calls.stop()
    if access_log is not None:
        access_log.stop()
    log.info("stopped")
    return 0


def _read(variables: str, make: Callable[[], T]) -> T:
    """Make what settings describe, or say that they are wrong and exit 78."""
    try:
        return make()
    except (ValueError, OSError, ConfigurationError) as fault:
        print(f"The configuration is not complete:\n  {variables}: {fault}.", file=sys.stderr)
        raise SystemExit(EXIT_CONFIGURATION) from None


def _tell(health: Health) -> Callable[[bool], None]:
    health.waiting("broker", "not connected yet")

    def tell(connected: bool) -> None:
        if connected:
            health.ready("broker")
        else:
            health.waiting("broker", "the connection is broken")

    return tell


def _access_log(settings: GatewaySettings) -> AccessLog | None:
    if settings.access_log == "off" or not log.isEnabledFor(logging.INFO):
        return None
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stdout.isatty())
    access_log = AccessLog(text=text)
    access_log.start()
    return access_log


def _raise_file_limit(connections: int) -> None:
    """Each connection takes a file descriptor; the soft limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 200
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
