"""A connection to the broker, as every part of the chassis opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
import eventlet
from amqp import spec
from eventlet.greenthread import GreenThread
from eventlet.hubs import notify_opened
from eventlet.semaphore import Semaphore

HEARTBEAT_SECONDS = 30
CONNECT_SECONDS = 5
CLOSE_SECONDS = 2
RECEIVE_BYTES = 16 * 1024


FAULTS = (OSError, amqp.AMQPError)
"""What talking to the broker can fail with."""


class Stopping(BaseException):
    """Thrown into a greenlet that reads from the broker, to end it where it waits."""


class Connection(amqp.Connection):
    """A py-amqp connection on which one greenlet may read while others publish."""

    # With this capability on, basic_publish reads from the socket to look for "blocked" notices, in the publisher's
    # greenlet, while another one is reading. A blocked broker shows itself anyway, by confirms that do not come.
    negotiate_capabilities = {**amqp.Connection.negotiate_capabilities, "connection.blocked": False}

    gathering = False
    """Whether what several greenlets write in one turn of the hub goes out together, see `gather`."""

    def Transport(self, *args: Any, **options: Any) -> Any:
        """A transport that reads as much as there is, and whose writes wait for each other.

        py-amqp reads each part of a frame by itself, a dozen times for a call and its answer. eventlet lets only one
        greenlet write to a socket.
        """
        transport = super().Transport(*args, **options)
        set_up, write = transport._setup_transport, transport.write
        writing = Semaphore()
        gathered: list[bytes] = []

        def set_up_reading() -> None:
            set_up()
            # What is more than was asked for is kept by the transport until it is.
            receive = transport._quick_recv
            transport._quick_recv = lambda size: receive(max(size, RECEIVE_BYTES))

        def send_gathered() -> None:
            try:
                with writing:
                    together = b"".join(gathered)
                    gathered.clear()
                    write(together)
            except OSError:
                # Whoever reads from the connection hears of it.
                self.collect()

        def write_alone(data: bytes) -> None:
            if not self.gathering:
                with writing:
                    write(data)
                return
            # A copy: py-amqp uses its buffer again for the next frame.
            gathered.append(bytes(data))
            if len(gathered) == 1:
                eventlet.spawn_n(send_gathered)

        transport._setup_transport = set_up_reading
        transport.write = write_alone
        return transport

    def gather(self) -> None:
        """From now on, send what is written in one turn of the hub at its end, in one go. A fault closes the connection.

        For what is answered or confirmed anyway: a publisher does not see a fault of its own write.
        """
        self.gathering = True

    def collect(self) -> None:
        """Close the socket at once. A greenlet that reads from it meanwhile hears of it, as nothing else would wake it."""
        if self._transport is not None and self._transport.sock is not None:
            notify_opened(self._transport.sock.fileno())
        super().collect()

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for something to arrive and dispatch it. Raises OSError or amqp.AMQPError, also when it has ended."""
        if not self.connected:
            # py-amqp would quietly try to connect again here.
            raise amqp.exceptions.RecoverableConnectionError("the connection has ended")
        try:
            super().drain_events(timeout)
        except EOFError:
            # What eventlet raises here when another greenlet closes the socket, see `collect`.
            raise amqp.exceptions.RecoverableConnectionError("the connection was closed") from None


def connect(amqp_uri: str, name: str) -> Connection:
    """An open connection; `name` is what the operator sees of it on the broker. Raises OSError or amqp.AMQPError."""
    uri = urlsplit(amqp_uri)
    connection = Connection(
        host=f"{uri.hostname}:{uri.port or 5672}",
        userid=unquote(uri.username or "guest"),
        password=unquote(uri.password or "guest"),
        virtual_host=unquote(uri.path[1:]) or "/",
        ssl=uri.scheme == "amqps",
        heartbeat=HEARTBEAT_SECONDS,
        connect_timeout=CONNECT_SECONDS,
        client_properties={"connection_name": f"commonground-{name}"},
    )
    connection.connect()
    return connection


def tend(connection: Connection) -> GreenThread:
    """Keep a connection's heartbeats going in a greenlet of their own; a peer that is silent for too long closes it."""

    def beat() -> None:
        while connection.connected:
            eventlet.sleep(HEARTBEAT_SECONDS / 4)
            try:
                connection.heartbeat_tick()
            except FAULTS:
                # The reader, blocked in recv, sees the closed socket and connects again.
                connection.collect()
                return

    return eventlet.spawn(beat)


def serve(connection: Connection) -> None:
    """Read and dispatch what arrives until `hang_up`. Raises OSError or amqp.AMQPError when it ends otherwise."""
    pulse = tend(connection)
    try:
        while connection.connected:
            connection.drain_events()
    finally:
        pulse.kill()


def stay_connected(open_: Callable[[], Connection], lost: Callable[[Exception], None]) -> None:
    """Open a connection and read from it; when that fails, call `lost` and begin again. Ends when Stopping is thrown in."""
    pause = 0.1
    try:
        while True:
            try:
                connection = open_()
                pause = 0.1
                serve(connection)
            except FAULTS as fault:
                lost(fault)
                eventlet.sleep(pause)
                pause = min(pause * 2, 2)
    except Stopping:
        pass


def hang_up(connection: Connection, reader: GreenThread) -> None:
    """Close a connection that `reader` serves: orderly if the broker answers in time, else at once."""
    try:
        with eventlet.Timeout(CLOSE_SECONDS, False):
            connection.send_method(spec.Connection.Close, "BsBB", (200, "", 0, 0))
            reader.wait()
    except FAULTS:
        pass
    finally:
        reader.kill()
        connection.collect()


def close_quietly(connection: Connection | None) -> None:
    """Close a connection that may be broken, without waiting for it."""
    if connection is None:
        return
    try:
        with eventlet.Timeout(1, False):
            connection.close()
    except FAULTS:
        pass
    finally:
        connection.collect()
