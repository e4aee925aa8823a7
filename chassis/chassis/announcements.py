"""Hears which services have a contract to offer, as soon as they say so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import eventlet

from chassis.calls import ANNOUNCEMENTS, FAULTS, Stopping, close_quietly
from chassis.connection import connect, tend

log = logging.getLogger(__name__)


class Announcements:
    """Listens on a queue of its own, which goes with its connection, so that every gateway hears every announcement."""

    def __init__(self, amqp_uri: str, name: str, on_announced: Callable[[str | None], None]) -> None:
        """`on_announced(service)` is called for each one, None when some may be missed. It must not wait."""
        self.uri, self.name, self.on_announced = amqp_uri, name, on_announced
        self.stopping = False

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self.reader = eventlet.spawn(self._run)

    def stop(self) -> None:
        """Close."""
        self.stopping = True
        self.reader.kill(Stopping)
        self._close()

    def _run(self) -> None:
        try:
            self._stay_connected()
        except Stopping:
            pass

    def _stay_connected(self) -> None:
        pause = 0.1
        while not self.stopping:
            try:
                self._listen()
                pause = 0.1
                self.on_announced(None)
                while True:
                    self.connection.drain_events()
            except FAULTS as fault:
                log.warning("announcements cannot be heard", extra={"fault": str(fault)})
                self._close()
                eventlet.sleep(pause)
                pause = min(pause * 2, 5)

    def _listen(self) -> None:
        self.connection = connect(self.uri, f"{self.name}-announcements")
        self.pulse = tend(self.connection)
        channel = self.connection.channel()
        queue = channel.queue_declare(exclusive=True, auto_delete=True).queue
        channel.queue_bind(queue, ANNOUNCEMENTS)
        channel.basic_consume(queue, no_ack=True, callback=self._heard)

    def _heard(self, message: Any) -> None:
        body = message.body
        self.on_announced(body.decode(errors="replace") if isinstance(body, bytes) else str(body))

    def _close(self) -> None:
        close_quietly(self.__dict__.pop("connection", None))
        if pulse := self.__dict__.pop("pulse", None):
            pulse.kill()
