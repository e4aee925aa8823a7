"""A connection to the broker, as every part of the chassis opens it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import amqp
import eventlet
from eventlet.greenthread import GreenThread

HEARTBEAT_SECONDS = 30
CONNECT_SECONDS = 5


class Connection(amqp.Connection):
    """A py-amqp connection on which one greenlet may read while others publish."""

    # With this capability on, basic_publish reads from the socket to look for "blocked" notices, in the publisher's greenlet,
    # while another one is reading. A blocked broker shows itself anyway, by confirms that do not come.
    negotiate_capabilities = {**amqp.Connection.negotiate_capabilities, "connection.blocked": False}


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
            except (OSError, amqp.AMQPError):
                # The reader, blocked in recv, sees the closed socket and connects again.
                connection.collect()
                return

    return eventlet.spawn(beat)
