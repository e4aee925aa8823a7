"""What operators measure about HTTP: how often which route was asked for, how long it took, and how it ended."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_requests = Histogram(
    "cg_http_request_seconds", "Time to answer an HTTP request", ["method", "route", "status"], buckets=_SECONDS
)
connections = Gauge("cg_http_connections", "Open HTTP connections")
streams = Gauge("cg_streams", "Open streams")
streams_dropped = Counter("cg_streams_dropped", "Streams that were cut off because the client did not keep up")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@lru_cache(maxsize=10_000)
def _labelled(method: str, route: str, status: int) -> Any:
    return _requests.labels(method if method in METHODS else "other", route, status)


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. `route` is the path with the names of its parameters, so that there are few of them."""
    _labelled(method, route, status).observe(seconds)
