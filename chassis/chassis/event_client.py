"""Listens to a stream of Server-Sent Events, as browsers do: for tests, benches and the story.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `at` is when it arrived, by `time.perf_counter`."""

    kind: str
    id: str
    data: str
    at: float

    def json(self) -> Any:
        """What it says."""
        return json.loads(self.data)


class EventClient:
    """One stream, listened to in a thread of its own: `events` so far, `last_id` to come back with, whether it `ended`."""

    def __init__(
        self, address: str, token: str | None = None, last_id: str = "", path: str = "/v1/stream", timeout: float = 60
    ) -> None:
        """Open it, and wait for the head of the answer (`status`, `headers`); anything but 200 has a `body` and no events."""
        where = urlsplit(address)
        self.connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout)
        headers = {"Accept": "text/event-stream"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.retry_ms: int | None = None
        self.last_id, self.ended, self.cleanly = last_id, False, False
        self.connection.request("GET", path, headers=headers)
        # The connection lets go of it, since the answer ends with it.
        self.sock = self.connection.sock
        self.answer = self.connection.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers
        self.changed = threading.Condition()
        self.body = b"" if self.status == 200 else self.answer.read()
        self.reader = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self.reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, count: int, seconds: float = 10) -> list[Event]:
        """The events so far, as soon as there are so many. Raises AssertionError when they do not come in time."""
        self._wait(lambda: len(self.events) >= count, seconds, f"{count} events")
        return self.events

    def wait_comments(self, count: int, seconds: float = 10) -> None:
        """Wait for so many comments; the first one says that the stream is open. Raises AssertionError."""
        self._wait(lambda: len(self.comments) >= count, seconds, f"{count} comments")

    def wait_end(self, seconds: float = 10) -> None:
        """Wait until the server has closed the stream. Raises AssertionError."""
        self._wait(lambda: self.ended, seconds, "the end")

    def ids(self) -> list[str]:
        """The ids of the events so far."""
        return [one.id for one in self.events]

    def close(self) -> None:
        """Stop listening."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.reader.ident:
            self.reader.join()
        self.answer.close()
        self.connection.close()

    def _wait(self, condition: Any, seconds: float, what: str) -> None:
        with self.changed:
            came = self.changed.wait_for(condition, seconds)
        assert came, f"{what} did not come within {seconds} s; there are {self.events} and {self.comments}"

    def _read(self) -> None:
        fields: Mapping[str, str] = {}
        cleanly = False
        try:
            while line := self.answer.readline():
                fields = self._take(fields, line.decode().rstrip("\n"))
            cleanly = True
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        with self.changed:
            self.ended, self.cleanly = True, cleanly
            self.changed.notify_all()

    def _take(self, fields: Mapping[str, str], line: str) -> Mapping[str, str]:
        with self.changed:
            self.changed.notify_all()
            if not line:
                if "data" in fields:
                    kind = fields.get("event", "message")
                    self.events.append(Event(kind, self.last_id, fields["data"], time.perf_counter()))
                return {}
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "":
                    self.comments.append(value)
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
                case "data" if "data" in fields:
                    value = f"{fields['data']}\n{value}"
            return {**fields, name: value}
