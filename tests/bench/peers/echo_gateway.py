"""The near half of the bare echo: eventlet's own WSGI server and one py-amqp channel, and nothing between them."""

import eventlet

eventlet.monkey_patch()

import itertools
import os
from collections.abc import Callable, Iterable
from typing import Any

import eventlet.wsgi
from amqp import Message
from eventlet.event import Event
from tests.bench.peers import connect
from tests.bench.peers.echo_groups import QUEUE

REPLY_TO = "amq.rabbitmq.reply-to"


class Echo:
    """A WSGI application that answers with its own path, by way of the broker."""

    def __init__(self, uri: str) -> None:
        self.connection = connect(uri)
        self.channel = self.connection.channel()
        self.channel.basic_consume(REPLY_TO, no_ack=True, callback=self.answered)
        self.numbers = itertools.count()
        self.waiting: dict[str, Event] = {}
        eventlet.spawn(self.listen)

    def listen(self) -> None:
        """Take answers for ever."""
        while True:
            self.connection.drain_events()

    def answered(self, message: Message) -> None:
        """Give an answer to whoever waits for it."""
        self.waiting.pop(message.properties["correlation_id"]).send(message.body)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        number = str(next(self.numbers))
        event = self.waiting[number] = Event()
        message = Message(environ["PATH_INFO"].encode(), reply_to=REPLY_TO, correlation_id=number)
        self.channel.basic_publish(message, routing_key=QUEUE)
        body = event.wait()
        body = body if isinstance(body, bytes) else body.encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


def main() -> None:
    """Serve until the process is ended."""
    listener = eventlet.listen(("127.0.0.1", int(os.environ["PEER_PORT"])), backlog=128)
    eventlet.wsgi.server(listener, Echo(os.environ["PEER_AMQP_URI"]), log_output=False)


if __name__ == "__main__":
    main()
