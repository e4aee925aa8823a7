"""Reading and writing HTTP/1.1, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import http1
from gateway.http1 import Answer, Connection, Gone, Malformed, Request, TooLong


class Pair:
    """A connection and its client's end."""

    def __init__(self) -> None:
        self.client, server = socket.socketpair()
        self.client.settimeout(5)
        self.connection = Connection(server, "192.0.2.1")

    def read(self, data: bytes, *, end: bool = True) -> Request:
        self.client.sendall(data)
        if end:
            self.client.shutdown(socket.SHUT_WR)
        assert self.connection.wait()
        return self.connection.read()

    def close(self) -> None:
        self.client.close()
        self.connection.socket.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_reads_a_request(pair):
    request = pair.read(b"GET /a/b?c=d&e HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two:  2 \r\nAccept:\r\n\r\n")
    assert (request.method, request.path, request.query) == ("GET", "/a/b", "c=d&e")
    assert request.headers == {"host": "x", "x-two": "1, 2", "accept": ""}
    assert request.body(100) == b""
    assert request.peer == "192.0.2.1"


def test_reads_requests_one_after_the_other(pair):
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    assert pair.read(one + one.replace(b"abc", b"def")).body(3) == b"abc"
    assert pair.connection.answer(Answer(204, [], b""))
    assert pair.connection.read().body(3) == b"def"


def test_reads_what_comes_in_pieces(pair):
    data = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n"

    def send() -> None:
        for at in range(len(data)):
            pair.client.sendall(data[at : at + 1])

    sender = threading.Thread(target=send)
    sender.start()
    assert pair.connection.wait()
    assert pair.connection.read().body(3) == b"abc"
    sender.join()


def test_an_absolute_target_means_its_path(pair):
    request = pair.read(b"GET http://example.org/a?b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (request.path, request.query) == ("/a", "b")


def test_empty_lines_before_a_request_are_skipped(pair):
    assert pair.read(b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n").path == "/a"


def test_headers_with_underscores_are_dropped_because_some_take_them_for_hyphens(pair):
    request = pair.read(b"GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 10.0.0.1\r\n\r\n")
    assert "x-forwarded-for" not in request.headers


CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "head",
    [
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n{CHUNKED}",
        f"POST / HTTP/1.1\r\nHost: x\r\n{CHUNKED}{CHUNKED}",
        f"POST / HTTP/1.0\r\nHost: x\r\n{CHUNKED}",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \u00b2\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n",
    ],
)
def test_a_body_whose_end_two_readers_could_see_elsewhere_is_refused(pair, head):
    with pytest.raises(Malformed):
        pair.read(head.encode("latin-1") + b"\r\n3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "said", "keeps"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.1", "Connection: Foo, CLOSE\r\n", False),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", True),
    ],
)
def test_the_connection_stays_open_as_the_client_wants(pair, version, said, keeps):
    pair.read(f"GET / {version}\r\nHost: x\r\n{said}\r\n".encode())
    assert pair.connection.answer(Answer(200, [], b"x")) is keeps


def test_an_unread_body_that_has_arrived_is_left_out(pair):
    pair.read(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert pair.connection.answer(Answer(415, [], b"x")) is True
    assert pair.connection.read().path == "/b"


def test_an_unread_body_that_is_still_to_come_ends_the_connection(pair):
    pair.read(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabc")
    assert pair.connection.answer(Answer(415, [], b"x")) is False
    assert b"Connection: close" in pair.client.recv(1000)


def test_the_client_is_told_to_go_on_when_the_body_is_wanted(pair):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    request = pair.read(head, end=False)
    threading.Thread(target=lambda: (pair.client.recv(25), pair.client.sendall(b"abc"))).start()
    assert request.body(3) == b"abc"


def test_a_body_that_is_too_long_is_not_read(pair):
    request = pair.read(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd")
    with pytest.raises(TooLong):
        request.body(3)


def test_a_client_that_goes_away_is_gone(pair):
    request = pair.read(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    with pytest.raises(Gone):
        request.body(4)


def test_a_slow_head_and_a_slow_body_are_not_waited_for_for_ever(pair, monkeypatch):
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(http1, "BODY_SECONDS", 0.05)
    started = time.monotonic()
    with pytest.raises(Malformed):
        pair.read(b"GET / HTTP/1.1\r\n", end=False)
    pair.connection.buffer = b""
    request = pair.read(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab", end=False)
    with pytest.raises(Malformed):
        request.body(4)
    assert time.monotonic() - started < 2


def test_writes_an_answer(pair):
    pair.read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    pair.connection.answer(Answer(404, [("X-A", "ä"), ("Content-Length", "99")], b"body"))
    head, _, body = pair.client.recv(1000).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == "HTTP/1.1 404 Not Found"
    assert "X-A: ä" in lines
    assert [one for one in lines if one.startswith("Content-Length")] == ["Content-Length: 4"]
    assert any(one.startswith("Date: ") and one.endswith(" GMT") for one in lines)
    assert body == b"body"


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "日本"])
def test_a_header_that_would_end_the_line_is_not_sent(pair, value):
    pair.read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ValueError):
        pair.connection.answer(Answer(200, [("X-A", value)], b""))


# -- against another reader: what is accepted here means the same to h11

PIECES = [
    *(
        b"GET POST HEAD / /a?b=c http://x/y HTTP/1.1 HTTP/1.0 HTTP/2 Host: x close keep-alive chunked identity".split(
            b" "
        )
    ),
    *(b"Content-Length: Transfer-Encoding: Connection: Expect: 100-continue X-A: 0 3 -1 +3 0x3 abc".split(b" ")),
    *(b" ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b":", b"_", b"\xff", b",", b"3\r\nabc\r\n0\r\n\r\n"),
]
VALID = b"POST /a HTTP/1.1\r\nHost: x\r\n"


Read = list[tuple[str, str, bytes]]


def by_us(data: bytes) -> Read:
    """The whole requests that we read in the data, up to what we refuse."""
    pair = Pair()
    found = []
    try:
        pair.client.sendall(data)
        pair.client.shutdown(socket.SHUT_WR)
        while pair.connection.wait():
            request = pair.connection.read()
            target = request.path + ("?" + request.query if request.query else "")
            found.append((request.method, target, request.body(10_000)))
            if not pair.connection.keep_alive:
                break
    except (Gone, Malformed):
        pass
    finally:
        pair.close()
    return found


def by_h11(data: bytes) -> Read:
    """The same by h11."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    found: Read = []
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                method, target, body = event.method.decode(), event.target.decode(), b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            else:
                return found
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        return found


def origin(target: str) -> str:
    """A target without what we leave out: scheme and host, an empty query, a fragment."""
    return target.removeprefix("http://x").partition("#")[0].rstrip("?")


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), st.sampled_from([b"", VALID, b"GET / HTTP/1.1\r\n"])
)
@example(b"Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n", VALID)
@example(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", VALID)
@example(b"Content-Length: +3\r\n\r\nabc", VALID)
@example(b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", VALID)
def test_what_is_accepted_means_the_same_to_another_reader(rest, first):
    ours, theirs = by_us(first + rest), by_h11(first + rest)
    # We may refuse more, but must not read a request that another one does not.
    assert len(ours) <= len(theirs)
    for mine, other in zip(ours, theirs, strict=False):
        assert (mine[0], mine[1].rstrip("?"), mine[2]) == (other[0], origin(other[1]), other[2])
