"""Pushes a body to an endpoint: one exchange, bounded in time and size, with an address that it is allowed to reach.

The name is resolved when a connection is made, and the connection goes to the very address that was checked: a name that leads
elsewhere a moment later changes nothing. Connections are kept, so that a busy endpoint is not greeted for each message.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, SSLError
from urllib3.util import parse_url

from chassis.threads import within
from notifications.deliveries.model import Outcome
from notifications.webhooks.addresses import Networks, is_allowed, is_permitted
from notifications.webhooks.resolving import Target, targets_of

SECONDS = 15.0
"""How long an exchange takes at most: finding, greeting, sending and the whole answer."""
CONNECT_SECONDS = 5.0
READ_BYTES = 4_096
"""How much of an answer is read. Nobody looks at it, but a short one has to be read for the connection to be used again."""
HOSTS_KEPT, CONNECTIONS_KEPT = 500, 4
_TIMEOUT = urllib3.Timeout(connect=CONNECT_SECONDS, read=SECONDS)


class Refused(NewConnectionError):
    """No address of this host is one that we connect to."""


class Sender:
    """Pushes to the open internet and to the networks that the operator allows. Connections are shared by all who use it."""

    def __init__(self, allowed: Networks) -> None:
        def pool(kind: Any, connection: Any) -> Any:
            guarded = type(connection.__name__, (_Guarded, connection), {"allowed": allowed})
            return type(kind.__name__, (kind,), {"ConnectionCls": guarded})

        self._pools = urllib3.PoolManager(num_pools=HOSTS_KEPT, maxsize=CONNECTIONS_KEPT, retries=False)
        self._pools.pool_classes_by_scheme = {
            "http": pool(HTTPConnectionPool, HTTPConnection),
            "https": pool(HTTPSConnectionPool, HTTPSConnection),
        }

    def push(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """POST a body. Whatever happens is an Outcome; redirects are not followed."""
        began = time.monotonic()
        code, problem = None, None
        try:
            with within(SECONDS):
                code = self._exchange(url, headers, body)
        except TimeoutError:
            problem = f"No answer within {SECONDS:g} s."
        except (HTTPError, OSError, ValueError) as fault:
            problem = _say(fault)
        if code is not None and not 200 <= code < 300:
            problem = f"The answer was {code}." + (" Redirects are not followed." if 300 <= code < 400 else "")
        return Outcome(code, problem, int((time.monotonic() - began) * 1000))

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        try:
            return self._post(url, headers, body)
        except ProtocolError:
            # A kept connection that the other side closed just now. By `webhook-id` it knows what it gets twice.
            return self._post(url, headers, body)

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        parts = parse_url(url)
        answer = self._pools.connection_from_host(parts.host, parts.port, parts.scheme).urlopen(
            "POST",
            parts.request_uri,
            body=body,
            headers=dict(headers),
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=_TIMEOUT,
        )
        try:
            answer.read(READ_BYTES, decode_content=False)
            whole = not answer.read(1, decode_content=False)
        except BaseException:
            answer.close()
            raise
        if whole:
            answer.release_conn()
        else:
            answer.close()
        return int(answer.status)


@cache
def sender(allowed: Networks) -> Sender:
    """The sender of this process for what its operator allows (a tuple)."""
    return Sender(allowed)


class _Guarded:
    """A connection that goes to an address which was checked, of those that its host has at that moment."""

    allowed: Networks
    host: str
    port: int
    timeout: float
    socket_options: Any

    def _new_conn(self) -> socket.socket:
        plain = not isinstance(self, HTTPSConnection)
        try:
            targets = [one for one in targets_of(self.host.strip("[]"), self.port) if self._may_reach(one, plain)]
        except (OSError, UnicodeError) as fault:
            raise NewConnectionError(self, "The host cannot be found.") from fault  # type: ignore[arg-type]
        if not targets:
            raise Refused(self, "No address is permitted.")  # type: ignore[arg-type]
        last: OSError | None = None
        for target in targets:
            try:
                return self._connect(target)
            except OSError as fault:
                last = fault
        raise NewConnectionError(self, "Nothing listens there.") from last  # type: ignore[arg-type]

    def _may_reach(self, target: Target, plain: bool) -> bool:
        may = is_allowed if plain else is_permitted
        return may(target.address, self.allowed)

    def _connect(self, target: Target) -> socket.socket:
        made = socket.socket(target.family, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                made.setsockopt(*option)
            made.settimeout(self.timeout)
            made.connect(target.place)
        except BaseException:
            made.close()
            raise
        return made


def _say(fault: Exception) -> str:
    """Why there was no answer, in words for the webhook's owner, which tell nothing of our side."""
    match fault:
        case Refused():
            return "The host has no address to which this platform connects."
        case SSLError() | ssl.SSLError():
            return "The certificate is not valid for this host, or TLS is not spoken there."
        case NewConnectionError():
            return "The host cannot be found, or nothing listens there."
        case _:
            return "The connection broke before there was an answer."
