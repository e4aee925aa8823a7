"""Writes a line for each request, as chassis.logs would, but cheaper: there are thousands a second."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from gateway.application import Exchange
    from gateway.http1 import Answer, Streaming

FLUSH_SECONDS = 0.2


class AccessLog:
    """Collects lines and writes them a few times a second. They hold no query, which may carry secrets, and no body."""

    def __init__(self, *, text: bool, out: TextIO | None = None) -> None:
        """`text` writes for people instead of machines."""
        self.out = out or sys.stdout
        self.text = text
        self.stopping = False
        self._lines: list[str] = []
        self._second, self._stamp = 0, ""

    def start(self) -> None:
        """Write in the background."""
        threading.Thread(target=self._run, name="access-log", daemon=True).start()

    def stop(self) -> None:
        """Write what is left."""
        self.stopping = True
        self.flush()

    def note(self, exchange: Exchange, answer: Answer | Streaming, seconds: float) -> None:
        """Note a request that was answered."""
        entry = {
            "method": exchange.request.method,
            "path": exchange.request.path,
            "route": exchange.route,
            "status": answer.status,
            "ms": round(seconds * 1000, 2),
            "bytes": len(answer[2]) if isinstance(answer[2], bytes) else None,
            "request": exchange.id,
            "address": exchange.address,
            "person": exchange.caller["id"] if exchange.caller else None,
            "trace_id": exchange.traceparent[3:35] if exchange.traceparent else None,
        }
        self._lines.append(self._format(entry))

    def flush(self) -> None:
        """Write what was noted so far."""
        if self._lines:
            lines, self._lines = self._lines, []
            self.out.write("".join(lines))
            self.out.flush()

    def _format(self, entry: dict[str, Any]) -> str:
        if self.text:
            return "{status} {method} {path} {ms} ms {request}\n".format(**entry)
        whole = {"level": "info", "logger": "gateway.access", "timestamp": self._now(), **entry, "service": "gateway"}
        return json.dumps({**whole, "message": "request"}) + "\n"

    def _now(self) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._stamp}.{int(now * 1000) % 1000:03d}Z"

    def _run(self) -> None:
        while not self.stopping:
            time.sleep(FLUSH_SECONDS)
            self.flush()
