"""Accepting, serving and ending, with threads instead of greenlets: the server cannot tell."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from chassis.testing import wait_until
from gateway.http1 import Answer, Request
from gateway.server import Server

ASK = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


class Application:
    """Answers `ok`, for `/held` when it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def answer(self, request: Request) -> Answer:
        if request.path == "/held":
            self.begun.set()
            assert self.go_on.wait(10)
        if request.path == "/bad":
            return Answer(200, [("X", "a\nb")], b"")
        return Answer(200, [], b"ok")

    def refuse(self, fault: str, peer: str) -> Answer:
        return Answer(400, [], fault.encode())

    def failed(self, fault: Exception) -> Answer:
        return Answer(500, [], b"failed")


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def server(application) -> Iterator[Server]:
    server = Server("127.0.0.1", 0, application, most=3)
    server.start()
    yield server
    application.go_on.set()
    server.drain(5)


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def answer(sock: socket.socket) -> bytes:
    received = b""
    while not received.endswith((b"ok", b"failed")):
        more = sock.recv(1000)
        if not more:
            break
        received += more
    return received


def test_serves_requests_on_one_connection(server):
    with dial(server) as sock:
        for _ in range(3):
            sock.sendall(ASK)
            assert answer(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_sent_at_once_are_answered_in_order(server):
    with dial(server) as sock:
        sock.sendall(ASK * 3)
        received = b""
        while received.count(b"ok") < 3:
            received += sock.recv(1000)


def test_an_answer_that_cannot_be_sent_is_replaced(server):
    with dial(server) as sock:
        sock.sendall(b"GET /bad HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(sock).startswith(b"HTTP/1.1 500 ")


def test_the_longest_idle_connection_makes_room(server):
    first, *others = [dial(server) for _ in range(3)]
    wait_until(lambda: len(server.idle) == 3)
    with dial(server) as late:
        late.sendall(ASK)
        assert answer(late).endswith(b"ok")
    assert first.recv(10) == b""
    for one in others:
        one.sendall(ASK)
        assert answer(one).endswith(b"ok")
        one.close()
    first.close()


def test_draining_closes_what_is_idle_and_finishes_what_is_in_flight(server, application):
    idle, busy = dial(server), dial(server)
    busy.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
    assert application.begun.wait(5)
    drained: list[bool] = []
    drain = threading.Thread(target=lambda: drained.append(server.drain(10)))
    drain.start()
    assert idle.recv(10) == b""
    with pytest.raises(OSError):
        dial(server)
    assert not drained
    application.go_on.set()
    last = answer(busy)
    assert b"Connection: close" in last
    assert busy.recv(10) == b""
    drain.join(5)
    assert drained == [True]
    idle.close()
    busy.close()


def test_draining_gives_up_in_time(server, application):
    with dial(server) as busy:
        busy.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        assert application.begun.wait(5)
        assert server.drain(0.1) is False


def test_a_taken_port_is_an_error(server, application):
    with pytest.raises(OSError):
        Server("127.0.0.1", server.port, application)
