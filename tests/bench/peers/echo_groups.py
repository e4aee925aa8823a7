"""The far half of the bare echo: takes bytes from a queue and sends them back, with nothing but py-amqp."""

from __future__ import annotations

import os

from amqp import Message
from tests.bench.peers import connect

QUEUE = "peers.echo"


def main() -> None:
    """Echo until the process is ended."""
    connection = connect(os.environ["PEER_AMQP_URI"])
    channel = connection.channel()
    channel.queue_declare(QUEUE, auto_delete=True)

    def echo(message: Message) -> None:
        reply = Message(message.body, correlation_id=message.properties["correlation_id"])
        channel.basic_publish(reply, routing_key=message.properties["reply_to"])

    channel.basic_consume(QUEUE, no_ack=True, callback=echo)
    while True:
        connection.drain_events()


if __name__ == "__main__":
    main()
