"""What the platform is measured against: limits that nothing can pass, and the same work done with well-known tools as they come."""

from urllib.parse import unquote, urlsplit

import amqp


def connect(uri: str) -> amqp.Connection:
    """Open a connection of py-amqp to the broker that an AMQP URI names."""
    parts = urlsplit(uri)
    connection = amqp.Connection(f"{parts.hostname}:{parts.port}", unquote(parts.username or ""), unquote(parts.password or ""))
    connection.connect()
    return connection
