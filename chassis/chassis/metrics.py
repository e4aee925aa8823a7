"""What operators measure: every metric of the chassis, declared in one place."""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

_calls = Histogram("cg_call_seconds", "Time to answer a call", ["endpoint", "status"], buckets=_SECONDS)
calls_late = Counter("cg_calls_late_total", "Calls dropped because nobody waited for their answer any more")
answers_late = Counter("cg_answers_late_total", "Answers dropped because nobody waited for them any more")
calls_in_flight = Gauge("cg_calls_in_flight", "Calls being worked on")
transaction_retries = Counter("cg_transaction_retries_total", "Transactions run again because they met another one")


@cache
def _call(endpoint: str, status: int) -> Any:
    return _calls.labels(endpoint, status)


def answered(endpoint: str, status: int, seconds: float) -> None:
    """Count one answered call."""
    _call(endpoint, status).observe(seconds)


def exposition() -> tuple[str, bytes]:
    """All metrics of this process: content type and body in Prometheus' text format."""
    return CONTENT_TYPE_LATEST, generate_latest()
