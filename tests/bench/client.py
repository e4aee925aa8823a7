"""The platform's HTTP API as a bench calls it to set its scene: plain, one connection, every answer checked."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from chassis.nodes import HOST

IDLE_SECONDS = 10


class Refused(Exception):
    """An answer that is no success."""


class Api:
    """Calls to the gateway, as one person or as nobody."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection = http.client.HTTPConnection(HOST, port, timeout=30)
        self.used_at = time.monotonic()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and give the answer's content. Raises Refused unless the status is 2xx."""
        if time.monotonic() - self.used_at > IDLE_SECONDS:
            self.connection.close()  # and opened anew, before the gateway closes it while we send
        self.used_at = time.monotonic()
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {path} answered {answer.status}: {content.decode()[:500]}")
        return json.loads(content) if content else None

    def get(self, path: str) -> Any:
        """GET."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """POST."""
        return self.call("POST", path, body)
