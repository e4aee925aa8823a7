"""What a process tells its operators on its own port: whether it lives, what it waits for, and its metrics."""

from __future__ import annotations

import json
import logging
from typing import Any

import eventlet
import eventlet.wsgi

from chassis import metrics

log = logging.getLogger(__name__)


class Health:
    """What a process waits for, by name. It is ready when it waits for nothing and is not draining."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {"start": "starting"}

    def waiting(self, name: str, why: str) -> None:
        """Say that `name` (broker, database, calls, …) is being waited for, and why."""
        if self.reasons.get(name) != why:
            log.warning("waiting", extra={"waiting_for": name, "why": why})
        self.reasons[name] = why

    def ready(self, name: str) -> None:
        """Say that `name` is waited for no more."""
        if self.reasons.pop(name, None) is not None:
            log.info("ready", extra={"waiting_for": name})

    @property
    def is_ready(self) -> bool:
        """Whether work may be sent here."""
        return not self.reasons

    def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """The WSGI application of /health/live, /health/ready and /metrics."""
        path = environ["PATH_INFO"]
        if path == "/health/live":
            return _answer(start_response, "200 OK", "application/json", b'{"status":"live"}')
        if path == "/health/ready":
            status = "200 OK" if self.is_ready else "503 Service Unavailable"
            document = {"status": "ready" if self.is_ready else "waiting", "waiting_for": self.reasons}
            return _answer(start_response, status, "application/json", json.dumps(document).encode())
        if path == "/metrics":
            return _answer(start_response, "200 OK", *metrics.exposition())
        return _answer(start_response, "404 Not Found", "text/plain", b"/health/live, /health/ready, /metrics\n")

    def serve(self, host: str, port: int) -> int:
        """Serve in the background; returns the port, which the system chooses when `port` is 0."""
        listener = eventlet.listen((host, port), reuse_port=False)
        eventlet.spawn(eventlet.wsgi.server, listener, self.application, log_output=False, debug=False)
        return int(listener.getsockname()[1])


def _answer(start_response: Any, status: str, media_type: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", media_type), ("Content-Length", str(len(body)))])
    return [body]
