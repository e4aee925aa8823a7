"""Pushes a body to an endpoint: one exchange, bounded in time and size, with an address that it is allowed to reach.

The name is resolved when a connection is made, and the connection goes to the very address that was checked: a name that leads
elsewhere a moment later changes nothing. Connections are kept, so that a busy endpoint is not greeted for each message.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from chassis.threads import within
from chassis.timers import now
from notifications.deliveries.model import Outcome, pause_asked
from notifications.webhooks.addresses import Networks, is_allowed, is_permitted
from notifications.webhooks.resolving import Target, targets_of

SECONDS = 15.0
"""How long an exchange takes at most: finding, greeting, sending and the whole answer."""
CONNECT_SECONDS = 5.0
READ_BYTES = 4_096
"""How much of an answer is read. Nobody looks at it, but a short one has to be read for the connection to be used again."""
PLACES_KEPT, CONNECTIONS_KEPT = 500, 4
_URL_CHARACTERS = "%/?:@!$&'()*+,;=-._~[]"
"""What stands in a URL as it is (RFC 3986); all else is encoded."""


class Unreachable(OSError):
    """The host cannot be found, or nothing listens there."""


class Refused(Unreachable):
    """No address of this host is one that we connect to."""


class Place(NamedTuple):
    """Where connections lead to."""

    scheme: str
    host: str
    port: int


class Answer(NamedTuple):
    """What there is to know of an answer: its status, its `Retry-After`, and whether more can be asked on the same connection."""

    status: int
    retry_after: str | None
    more: bool


class Sender:
    """Pushes to the open internet and to the networks that the operator allows. Connections are shared by all who use it."""

    def __init__(self, allowed: Networks) -> None:
        self._allowed = allowed
        self._tls = ssl.create_default_context()
        self._kept: dict[Place, list[_Connection]] = {}

    def push(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """POST a body. Whatever happens is an Outcome; redirects are not followed."""
        began = time.monotonic()
        code, problem, asked = None, None, None
        try:
            with within(SECONDS):
                code, asked, _ = self._exchange(url, headers, body)
        except TimeoutError:
            problem = f"No answer within {SECONDS:g} s."
        except (HTTPException, OSError, ValueError) as fault:
            problem = _say(fault)
        if code is not None and not 200 <= code < 300:
            problem = f"The answer was {code}." + (" Redirects are not followed." if 300 <= code < 400 else "")
        return Outcome(code, problem, int((time.monotonic() - began) * 1000), pause_asked(asked, now()))

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._forget_oldest()

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        place, target = _parts_of(url)
        kept = self._take(place)
        if kept is not None:
            try:
                return self._post(kept, target, headers, body)
            except TimeoutError:
                raise
            except (HTTPException, OSError):
                pass  # The other side closed it meanwhile. By `webhook-id` it knows what it gets twice.
        return self._post(_Connection(place, self._allowed, self._tls), target, headers, body)

    def _post(self, connection: _Connection, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            answer = connection.post(target, headers, body)
        except BaseException:
            connection.close()
            raise
        if answer.more:
            self._keep(connection)
        else:
            connection.close()
        return answer

    def _take(self, place: Place) -> _Connection | None:
        kept = self._kept.pop(place, None)
        if not kept:
            return None
        self._kept[place] = kept  # the newest now
        return kept.pop()

    def _keep(self, connection: _Connection) -> None:
        kept = self._kept.setdefault(connection.place, [])
        if len(kept) < CONNECTIONS_KEPT:
            kept.append(connection)
        else:
            connection.close()
        if len(self._kept) > PLACES_KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        for one in self._kept.pop(next(iter(self._kept))):
            one.close()


@cache
def sender(allowed: Networks) -> Sender:
    """The sender of this process for what its operator allows (a tuple)."""
    return Sender(allowed)


class _Connection(HTTPConnection):
    """A connection to an address which was checked, of those that its host has when it is made."""

    def __init__(self, place: Place, allowed: Networks, tls: ssl.SSLContext) -> None:
        super().__init__(place.host, place.port)
        self.place, self.default_port = place, _DEFAULT_PORTS[place.scheme]
        self._allowed = allowed
        self._tls = tls if place.scheme == "https" else None
        self._parts: list[bytes] | None = None

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and read the answer, or the beginning of it."""
        self.putrequest("POST", target, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self.putheader("content-length", str(len(body)))
        # Headers and body go out together: that is less work here, and there.
        parts = self._parts = list[bytes]()
        self.endheaders(body)
        self._parts = None
        self.send(b"".join(parts))
        answer = self.getresponse()
        whole = len(answer.read(READ_BYTES + 1)) <= READ_BYTES
        return Answer(answer.status, answer.getheader("retry-after"), whole and not answer.will_close)

    def send(self, data: bytes) -> None:  # type: ignore[override]
        """Send something, or put it aside while a request is put together."""
        if self._parts is None:
            super().send(data)
        else:
            self._parts.append(data)

    def connect(self) -> None:
        """Connect to the first address that may be reached and answers. Raises Unreachable, ssl.SSLError."""
        try:
            targets = [one for one in targets_of(self.host, self.port) if self._may_reach(one)]
        except (OSError, UnicodeError) as fault:
            raise Unreachable(f"{self.host} cannot be found") from fault
        if not targets:
            raise Refused(f"no address of {self.host} is permitted")
        last: OSError | None = None
        for target in targets:
            try:
                self.sock = self._connect(target)
                break
            except OSError as fault:
                last = fault
        else:
            raise Unreachable(f"nothing listens at {self.host}") from last
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def _may_reach(self, target: Target) -> bool:
        may = is_allowed if self._tls is None else is_permitted
        return may(target.address, self._allowed)

    def _connect(self, target: Target) -> socket.socket:
        made = socket.socket(target.family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(CONNECT_SECONDS)
            made.connect(target.place)
            made.settimeout(SECONDS)
        except BaseException:
            made.close()
            raise
        return made


_DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(PLACES_KEPT)
def _parts_of(url: str) -> tuple[Place, str]:
    """Where a URL leads, and what is asked for there."""
    parts = urlsplit(url)
    place = Place(parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return place, quote(target, safe=_URL_CHARACTERS)


def _say(fault: Exception) -> str:
    """Why there was no answer, in words for the webhook's owner, which tell nothing of our side."""
    match fault:
        case Refused():
            return "The host has no address to which this platform connects."
        case Unreachable():
            return "The host cannot be found, or nothing listens there."
        case ssl.SSLError():
            return "The certificate is not valid for this host, or TLS is not spoken there."
        case _:
            return "The connection broke before there was an answer."
