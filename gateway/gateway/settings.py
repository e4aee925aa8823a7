"""What operators may set about the gateway."""

from __future__ import annotations

from chassis.settings import ServiceSettings, setting
from gateway.addresses import Addresses
from gateway.rates import is_limit


def _limit(text: str) -> None:
    if not is_limit(text):
        raise ValueError(f"{text!r} is no limit such as 600/minute")


class GatewaySettings(ServiceSettings):
    """The gateway's settings: those of every process that mean something here, and its own."""

    unused = ("mongo_uri", "calls_at_once", "messages_at_once", "calls_waiting", "interest_aliases")

    http_host: str = setting("str", "CG_HTTP_HOST", "127.0.0.1", help="Where HTTP is served")
    http_port: int = setting("int", "CG_HTTP_PORT", 8000, help="The port of HTTP; 0 takes a free one")
    services: list[str] = setting(
        "list", "CG_SERVICES", ["groups", "events", "notifications"], help="The services whose endpoints are offered"
    )
    call_deadline_seconds: float = setting(
        "float", "CG_CALL_DEADLINE_SECONDS", 5.0, help="How long a service may take to answer"
    )
    connections: int = setting("int", "CG_CONNECTIONS", 4000, help="How many HTTP connections may be open at a time")
    streams: int = setting(
        "int", "CG_STREAMS", 3000, help="How many of them may be streams; beyond, another gateway is needed"
    )
    trusted_proxies: list[str] = setting(
        "list",
        "CG_TRUSTED_PROXIES",
        [],
        help="Addresses and networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed",
        validate=Addresses,
    )
    rate_limits: str = setting("str", "CG_RATE_LIMITS", "on", help="off turns all rate limits off, for load tests")
    rate_limits_store: str = setting(
        "str",
        "CG_RATE_LIMITS_STORE",
        "memory://",
        help="Where several gateways count together: redis://…, mongodb://… (the package limits says more)",
        secret=True,
    )
    rate_limit_person: str = setting(
        "str",
        "CG_RATE_LIMIT_PERSON",
        "600/minute",
        help="How often a person who is signed in may call",
        validate=_limit,
    )
    rate_limit_address: str = setting(
        "str",
        "CG_RATE_LIMIT_ADDRESS",
        "120/minute",
        help="How often an address may call without being signed in",
        validate=_limit,
    )
    access_log: str = setting("str", "CG_ACCESS_LOG", "on", help="off writes no line for each request")
