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
outbox_pending = Gauge("cg_outbox_pending", "Messages that wait to be published, as the relay that leads sees them")
outbox_oldest_seconds = Gauge("cg_outbox_oldest_seconds", "Age of the oldest message that waits to be published")
outbox_leading = Gauge("cg_outbox_leading", "1 where this process holds the lease to publish the service's outbox")
messages_relayed = Counter("cg_messages_relayed_total", "Messages published and confirmed")
messages_refused = Counter(
    "cg_messages_refused_total", "Messages that the broker returned or refused; they are tried again", ["why"]
)
messages_received = Counter(
    "cg_messages_received_total",
    "Messages received, by how they ended: done, retry, parked, ignored",
    ["type", "outcome"],
)
message_seconds = Histogram("cg_message_seconds", "Time to do what a message asks for", ["type"], buckets=_SECONDS)
messages_in_flight = Gauge("cg_messages_in_flight", "Messages being worked on")
messages_waiting = Gauge("cg_messages_waiting", "Messages in the service's queues, by queue", ["queue"])
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
