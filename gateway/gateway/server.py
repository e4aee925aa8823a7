"""Accepts connections and serves each in a thread of its own; ends without cutting off what is in flight.

The threads are greenlets: the process has the standard library patched before it imports anything (chassis.process).
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from typing import Protocol

from gateway.http1 import Answer, Connection, Gone, Malformed, Request, Streaming

log = logging.getLogger(__name__)

BACKLOG = 512


class Application(Protocol):
    """What answers requests. It raises Gone only."""

    def answer(self, request: Request) -> Answer | Streaming:
        """Answer a request."""

    def refuse(self, fault: str, peer: str) -> Answer:
        """Answer what is no request."""

    def failed(self, fault: Exception) -> Answer:
        """Answer in place of an answer that could not be sent."""


class Server:
    """An HTTP server. At most `most` connections are open; beyond, the one that is idle for longest makes room."""

    def __init__(self, host: str, port: int, application: Application, most: int = 2000) -> None:
        """Listens at once, but accepts nothing until `start`. Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self.application, self.most = application, most
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        self.draining = False

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.listener.getsockname()[1])

    def start(self) -> None:
        """Accept connections in the background."""
        self.acceptor = threading.Thread(target=self._accept, name="accept", daemon=True)
        self.acceptor.start()

    def drain(self, seconds: float) -> bool:
        """Accept nothing more, close what is idle, wait for what is in flight; says whether all of it ended in time."""
        self.draining = True
        _shut(self.listener, socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.idle):
            # What has arrived already is still read and answered; then the connection ends.
            _shut(connection.socket, socket.SHUT_RD)
        deadline = time.monotonic() + seconds
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self.connections

    def _accept(self) -> None:
        while not self.draining:
            try:
                sock, address = self.listener.accept()
            except OSError as fault:
                if not self.draining and fault.errno != errno.ECONNABORTED:
                    # Out of file descriptors, most likely: others must close some first.
                    log.error("cannot accept a connection", extra={"fault": str(fault)})
                    time.sleep(0.1)
                continue
            if len(self.connections) >= self.most:
                self._make_room()
            connection = Connection(sock, address[0])
            self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _make_room(self) -> None:
        if self.idle:
            _shut(next(iter(self.idle)).socket, socket.SHUT_RD)
        while len(self.connections) >= self.most and not self.draining:
            time.sleep(0.01)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._wait(connection) and self._serve_one(connection):
                pass
        except (Gone, OSError):
            pass
        except Exception:
            log.exception("a connection failed")
        finally:
            self.connections.discard(connection)
            _shut(connection.socket, socket.SHUT_RDWR)
            connection.socket.close()

    def _wait(self, connection: Connection) -> bool:
        if connection.buffer:
            return True
        self.idle[connection] = None
        if self.draining:
            _shut(connection.socket, socket.SHUT_RD)
        try:
            return connection.wait()
        finally:
            self.idle.pop(connection, None)

    def _serve_one(self, connection: Connection) -> bool:
        answer: Answer | Streaming
        try:
            answer = self.application.answer(connection.read())
        except Malformed as fault:
            answer = self.application.refuse(str(fault), connection.peer)
        try:
            if isinstance(answer, Streaming):
                connection.stream(answer)
                return False
            return connection.answer(answer, last=self.draining)
        except ValueError as fault:
            return connection.answer(self.application.failed(fault), last=True)


def _shut(sock: socket.socket, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        pass
