"""Reads requests from a connection and writes answers to it, strictly as HTTP/1.1 is written (RFC 9112).

What is ambiguous is refused instead of guessed at: two readers that guess differently are how requests are smuggled.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

HEAD_BYTES = 32 * 1024
"""The most that a request line and its headers may take together."""
IDLE_SECONDS = 75.0
"""How long a connection is kept open for another request."""
HEAD_SECONDS = 10.0
"""How long a head that has begun may take to arrive."""
BODY_SECONDS = 15.0
"""How long a body may take to arrive."""
SEND_SECONDS = 30.0
"""How long a client may take to accept more of an answer."""
UNSENT_BYTES = 256 * 1024
"""How much may wait for a client that does not take it as fast as it comes, where an answer has no end."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024
"""How long, and how much of an unwanted body, is read after a refusal, so that the client gets to see it."""

_RECEIVE = 64 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}" for one in HTTPStatus}
_BODILESS = frozenset({204, 304})
_ONCE = frozenset({"host", "content-length", "transfer-encoding", "authorization", "content-type"})
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "date", "keep-alive"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Malformed(Exception):
    """What arrived is no request that can be understood; the text says why, for the client."""


class TooLong(Exception):
    """The body is longer than the application wants."""


class Gone(Exception):
    """The client closed the connection, or broke it."""


class Answer(NamedTuple):
    """What goes back: status, headers (without those of the connection and the length), body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Streaming(NamedTuple):
    """An answer without an end of its own: status, headers, and what writes it until it returns."""

    status: int
    headers: list[tuple[str, str]]
    run: Callable[[Outlet], None]


class Request:
    """One request. `headers` are by lower-case name; `length` is that of the body, None when it comes in chunks."""

    __slots__ = ("connection", "headers", "length", "method", "path", "peer", "query", "unread")

    def __init__(
        self, connection: Connection, method: str, target: str, headers: dict[str, str], length: int | None
    ) -> None:
        self.connection, self.method, self.headers, self.length = connection, method, headers, length
        self.peer = connection.peer
        self.path, _, self.query = target.partition("?")
        self.unread = length != 0

    def body(self, most: int) -> bytes:
        """The whole body, of at most `most` bytes. Raises TooLong, Malformed, Gone."""
        if self.length == 0:
            return b""
        if self.length is not None and self.length > most:
            raise TooLong()
        if self.headers.get("expect", "").lower() == "100-continue":
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = self.connection.read_body(self.length, most)
        self.unread = False
        return content


class Connection:
    """One client's connection: requests come out of `read`, one after the other, and each gets its `answer`."""

    __slots__ = ("buffer", "head_only", "keep_alive", "peer", "request", "socket", "version")

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.socket, self.peer = sock, peer
        self.buffer = b""
        self.keep_alive = True
        self.head_only = False
        self.version = "HTTP/1.1"
        self.request: Request | None = None

    # -- reading

    def wait(self) -> bool:
        """Wait for something to arrive; says whether it did."""
        if not self.buffer:
            self.socket.settimeout(IDLE_SECONDS)
            self.buffer = self.socket.recv(_RECEIVE)
        return bool(self.buffer)

    def read(self) -> Request:
        """The next request. Raises Malformed, Gone."""
        self.request, self.keep_alive, self.head_only = None, False, False
        self.request = self._parse(self._read_head())
        return self.request

    def _read_head(self) -> str:
        buffer = self.buffer
        deadline = 0.0
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if len(buffer) > HEAD_BYTES:
                break
            deadline = deadline or time.monotonic() + HEAD_SECONDS
            buffer += self._receive(deadline, "The headers")
            if buffer.startswith(b"\r\n"):
                buffer = buffer[2:]  # RFC 9112, section 2.2
        if end > HEAD_BYTES or end < 0:
            raise Malformed(f"The headers are longer than {HEAD_BYTES // 1024} KiB.")
        self.buffer = buffer[end + 4 :]
        return buffer[:end].decode("latin-1").removeprefix("\r\n")

    def _receive(self, deadline: float, what: str) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Malformed(f"{what} took too long to arrive.")
        self.socket.settimeout(left)
        try:
            received = self.socket.recv(_RECEIVE)
        except TimeoutError:
            raise Malformed(f"{what} took too long to arrive.") from None
        if not received:
            raise Gone()
        return received

    def _parse(self, head: str) -> Request:
        lines = head.split("\r\n")
        # A lone CR or LF would be a line's end to some and not to others.
        if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head:
            raise Malformed("A line of the headers does not end in CR LF, or holds a NUL.")
        method, target = self._parse_first(lines[0])
        headers = _parse_headers(lines)
        self._decide_keep_alive(headers)
        return Request(self, method, target, headers, self._body_length(headers))

    def _parse_first(self, line: str) -> tuple[str, str]:
        parts = line.split(" ")
        if len(parts) != 3:
            raise Malformed("The request line is not: method, target, HTTP/1.1.")
        method, target, self.version = parts
        if self.version not in ("HTTP/1.1", "HTTP/1.0"):
            self.version = "HTTP/1.1"
            raise Malformed("Only HTTP/1.1 is spoken here.")
        if method not in _METHODS and not _TOKEN.fullmatch(method):
            raise Malformed("The method is not a token.")
        self.head_only = method == "HEAD"
        if not target.isascii() or not target.isprintable():
            raise Malformed("The target holds characters that must be percent-encoded.")
        if not target.startswith("/"):
            target = _origin_form(target)
        return method, target.partition("#")[0]

    def _decide_keep_alive(self, headers: dict[str, str]) -> None:
        if self.version == "HTTP/1.1" and "host" not in headers:
            raise Malformed("The header Host is missing.")
        said = headers.get("connection")
        if said is None:
            self.keep_alive = self.version == "HTTP/1.1"
            return
        options = {one.strip().lower() for one in said.split(",")}
        self.keep_alive = "close" not in options and (self.version == "HTTP/1.1" or "keep-alive" in options)

    def _body_length(self, headers: dict[str, str]) -> int | None:
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            # RFC 9112, section 6.1: both together, or in HTTP/1.0, is how requests are smuggled.
            if length is not None or coding.lower() != "chunked" or self.version != "HTTP/1.1":
                raise Malformed("Transfer-Encoding may only be chunked, in HTTP/1.1 and without Content-Length.")
            return None
        if length is None:
            return 0
        if not (length.isascii() and length.isdecimal()) or len(length) > 15:
            raise Malformed("Content-Length is not a number.")
        return int(length)

    def read_body(self, length: int | None, most: int) -> bytes:
        """A body of `length` bytes, or of chunks if that is None, but not more than `most`."""
        deadline = time.monotonic() + BODY_SECONDS
        if length is not None:
            return self._take(length, deadline)
        chunks: list[bytes] = []
        whole = 0
        while size := self._chunk_size(deadline):
            whole += size
            if whole > most:
                raise TooLong()
            chunks.append(self._take(size, deadline))
            if self._take(2, deadline) != b"\r\n":
                raise Malformed("A chunk is longer than it says.")
        for _ in range(100):
            if not self._take_line(deadline):
                return b"".join(chunks)
        raise Malformed("The trailer is too long.")

    def _chunk_size(self, deadline: float) -> int:
        size, _, _ = self._take_line(deadline).partition(b";")
        if not _CHUNK_SIZE.fullmatch(size := size.rstrip(b" \t")):
            raise Malformed("The size of a chunk is not a hexadecimal number.")
        return int(size, 16)

    def _take(self, size: int, deadline: float) -> bytes:
        if len(self.buffer) < size:
            parts, have = [self.buffer], len(self.buffer)
            while have < size:
                parts.append(self._receive(deadline, "The body"))
                have += len(parts[-1])
            self.buffer = b"".join(parts)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def _take_line(self, deadline: float) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > 4096:
                raise Malformed("A line between chunks is too long.")
            self.buffer += self._receive(deadline, "The body")
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        if b"\n" in line or b"\r" in line:
            raise Malformed("A line between chunks does not end in CR LF.")
        return line

    # -- writing

    def answer(self, answer: Answer, *, last: bool = False) -> bool:
        """Send an answer; says whether another request may follow (not after the `last`). Raises ValueError, Gone."""
        unread = not self._skip_body()
        keep = self.keep_alive and not last and not unread
        head = self._head(answer.status, answer.headers, keep, f"Content-Length: {len(answer.body)}")
        body = b"" if self.head_only or answer.status in _BODILESS else answer.body
        self.send(head + body if len(body) < _RECEIVE else head, body if len(body) >= _RECEIVE else b"")
        if not keep and unread:
            self._linger()
        return keep

    def stream(self, answer: Streaming) -> None:
        """Send an answer for as long as it goes on; the connection ends with it. Raises ValueError, Gone."""
        chunked = self.version == "HTTP/1.1"
        self.send(self._head(answer.status, answer.headers, False, "Transfer-Encoding: chunked" if chunked else None))
        if not self.head_only:
            # It may take hours: what is not needed any more need not wait for it.
            self.request = None
            answer.run(Outlet(self.socket, chunked))

    def _skip_body(self) -> bool:
        """Leave out a body that nobody read but that has arrived whole; says whether the next request is next."""
        request = self.request
        if request is None:
            return False
        if request.unread and request.length is not None and request.length <= len(self.buffer):
            self.buffer = self.buffer[request.length :]
            request.unread = False
        return not request.unread

    def _head(self, status: int, headers: list[tuple[str, str]], keep: bool, framing: str | None) -> bytes:
        lines = [_STATUS_LINES[status]]
        for name, value in headers:
            if name.lower() not in _OURS:
                lines.append(f"{name}: {value}")
        lines.append(_date_line())
        if framing is not None and status not in _BODILESS:
            lines.append(framing)
        if not keep:
            lines.append("Connection: close")
        elif self.version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        lines.append("\r\n")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) or head.count("\r") != len(lines):
            raise ValueError("a header of the answer holds a line break")
        return head.encode("latin-1")

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are. Raises Gone."""
        self.socket.settimeout(SEND_SECONDS)
        try:
            for part in parts:
                if part:
                    self.socket.sendall(part)
        except OSError:
            raise Gone() from None

    def _linger(self) -> None:
        """Read on for a moment: closing with unread data resets the connection, the answer is lost (RFC 9112, 9.6)."""
        deadline = time.monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while left > 0:
                left -= len(self._receive(deadline, "The rest"))
        except (OSError, Malformed, Gone):
            pass


class Outlet:
    """Where an answer without end is written: nobody who writes ever waits for the client."""

    __slots__ = ("chunked", "ended", "flushing", "socket", "unsent")

    def __init__(self, sock: socket.socket, chunked: bool) -> None:
        self.socket, self.chunked = sock, chunked
        self.unsent = b""
        self.flushing = self.ended = False

    def send(self, content: bytes) -> bool:
        """Send as much as the client takes now, and the rest as it takes more.

        Says whether the client keeps up: one that has UNSENT_BYTES left to take, or takes nothing for SEND_SECONDS, is cut off.
        """
        if self.ended:
            return True
        return self._write(b"%x\r\n%b\r\n" % (len(content), content) if self.chunked else content)

    def end(self) -> None:
        """Say that this was all, and close."""
        if self.ended:
            return
        if self.chunked:
            self._write(b"0\r\n\r\n")
        self.ended = True
        if not self.flushing:
            self._close()

    def wait(self) -> None:
        """Wait until either side has closed."""
        try:
            self.socket.settimeout(None)
            # A client has nothing more to say; one that does not stop is no client.
            for _ in range(100):
                if not self.socket.recv(1024):
                    return
        except OSError:
            pass

    def _write(self, content: bytes) -> bool:
        if not self.flushing:
            content = content[self._send_now(content) :]
        if content:
            self.unsent += content
            if len(self.unsent) > UNSENT_BYTES:
                self._cut_off()
                return False
            if not self.flushing:
                self.flushing = True
                threading.Thread(target=self._flush, daemon=True).start()
        return True

    def _send_now(self, content: bytes) -> int:
        """Send what fits into the socket's buffer; says how much that was."""
        try:
            self.socket.setblocking(False)
            try:
                return self.socket.send(content)
            finally:
                self.socket.setblocking(True)
        except BlockingIOError:
            return 0
        except OSError:
            self._cut_off()
            return len(content)

    def _flush(self) -> None:
        try:
            while self.unsent:
                part, self.unsent = self.unsent[:_RECEIVE], self.unsent[_RECEIVE:]
                self.socket.settimeout(SEND_SECONDS)
                self.socket.sendall(part)
            self.socket.settimeout(None)
        except OSError:
            self._cut_off()
        self.flushing = False
        if self.ended:
            self._close()

    def _cut_off(self) -> None:
        self.ended, self.unsent = True, b""
        self._close()

    def _close(self) -> None:
        """Whoever waits hears of it, and closes the socket."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


_names: dict[str, str | None] = {}
"""Header names seen so far, in lower case; None for those with an underscore, which some take for a hyphen."""


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines[1:]:
        raw, colon, value = line.partition(":")
        try:
            name = _names[raw]
        except KeyError:
            name = _learn_name(raw)
        if not colon:
            raise Malformed("A header has no colon.")
        if name is None:
            continue
        value = value.strip(" \t")
        if name in headers:
            if name in _ONCE:
                raise Malformed(f"The header {name} stands there twice.")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _learn_name(raw: str) -> str | None:
    if not _TOKEN.fullmatch(raw):
        raise Malformed("A header's name is not a token, or a header is folded.")
    name = None if "_" in raw else raw.lower()
    if len(_names) < 1000 and len(raw) < 64:
        _names[raw] = name
    return name


def _origin_form(target: str) -> str:
    """The path and query of an absolute target, which a server must accept (RFC 9112, section 3.2.2)."""
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise Malformed("The target is neither a path nor an http address.")
    at = min(found for found in (rest.find("/"), rest.find("?"), len(rest)) if found >= 0)
    return rest[at:] if rest[at : at + 1] == "/" else "/" + rest[at:]


_date: tuple[int, str] = (0, "")


def _date_line() -> str:
    """The header Date, made once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, "Date: " + formatdate(now, usegmt=True))
    return _date[1]
