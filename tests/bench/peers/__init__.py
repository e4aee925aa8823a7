"""What the platform is measured against: limits, and the same work done with well-known tools as they come."""

from urllib.parse import unquote, urlsplit

import amqp


class Connection(amqp.Connection):
    """A connection of py-amqp at its best."""

    # With this capability on, basic_publish looks for notices on the socket before each message.
    negotiate_capabilities = {**amqp.Connection.negotiate_capabilities, "connection.blocked": False}


def connect(uri: str) -> Connection:
    """Open a connection to the broker that an AMQP URI names."""
    parts = urlsplit(uri)
    connection = Connection(
        f"{parts.hostname}:{parts.port}", unquote(parts.username or ""), unquote(parts.password or "")
    )
    connection.connect()
    return connection
