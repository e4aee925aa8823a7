"""Hears which services have a contract to offer, as soon as they say so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import eventlet

from chassis.calls import ANNOUNCEMENTS
from chassis.connection import Connection, Stopping, close_quietly, connect, stay_connected

log = logging.getLogger(__name__)


class Announcements:
    """Listens on a queue of its own, which goes with its connection, so that every gateway hears every announcement."""

    def __init__(self, amqp_uri: str, name: str, on_announced: Callable[[str | None], None]) -> None:
        """`on_announced(service)` is called for each one, None when some may be missed. It must not wait."""
        self.uri, self.name, self.on_announced = amqp_uri, name, on_announced
        self.connection: Connection | None = None

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self.reader = eventlet.spawn(stay_connected, self._listen, self._lost)

    def stop(self) -> None:
        """Close."""
        self.reader.kill(Stopping)
        close_quietly(self.connection)

    def _listen(self) -> Connection:
        self.connection = connect(self.uri, f"{self.name}-announcements")
        channel = self.connection.channel()
        queue = channel.queue_declare(exclusive=True, auto_delete=True).queue
        channel.queue_bind(queue, ANNOUNCEMENTS)
        channel.basic_consume(queue, no_ack=True, callback=self._heard)
        self.on_announced(None)
        return self.connection

    def _lost(self, fault: Exception) -> None:
        log.warning("announcements cannot be heard", extra={"fault": str(fault)})
        close_quietly(self.connection)

    def _heard(self, message: Any) -> None:
        body = message.body
        self.on_announced(body.decode(errors="replace") if isinstance(body, bytes) else str(body))
