"""Brings mails to the mail server, over connections that are kept, and says what it made of each."""

from __future__ import annotations

import logging
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.threads import within
from notifications.settings import NotificationsSettings

log = logging.getLogger(__name__)

LONGEST_REST = 60.0
"""How long a mail server that cannot be reached is left alone at most."""
CONNECTIONS = 20
"""How many are kept at most, if the server takes as many: as many as Postfix opens to one place."""
CROWDED_SECONDS = 60.0
"""For how long no more connections are tried than stood when the server would not have another one beside them."""
STEPS = (2, 2, 3, 2)
"""How the replies to MAIL, RCPT, DATA and a mail's end begin where nothing is refused (RFC 5321, section 4.2.1)."""
GO_AHEAD, HANGS_UP = 354, 421

# RFC 3463: class, subject and detail, which say more than the reply code, and no address as the text may.
_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Unreachable(Exception):
    """The mail server cannot be reached, or does not let us in: no mail's fault."""


class Deferred(Exception):
    """The mail was not taken now, or nobody knows: the answer was lost."""


class Refused(Exception):
    """The mail server will never take this mail."""


class Postbox:
    """The way to the mail server, for several greenlets of one process."""

    def __init__(self, settings: NotificationsSettings) -> None:
        self.settings = settings
        self._idle: list[smtplib.SMTP] = []
        self._busy = 0
        self._most = CONNECTIONS
        self._crowded_until = 0.0
        self._failures = 0
        self._rests_until = 0.0

    @property
    def rest_seconds(self) -> float:
        """How long the mail server is still left alone, since it could not be reached."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def room(self) -> int:
        """How many more connections may be used now."""
        return 0 if self.rest_seconds else self._allowed - self._busy

    @property
    def _allowed(self) -> int:
        return self._most if time.monotonic() < self._crowded_until else CONNECTIONS

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for some mails one after the other. Raises Unreachable."""
        server = self._kept() or self._connect()
        connection = Connection(server, self.settings)
        self._busy += 1
        try:
            yield connection
        finally:
            self._busy -= 1
            if connection.stands and len(self._idle) < self._allowed:
                self._idle.append(server)
            else:
                server.close()

    def _kept(self) -> smtplib.SMTP | None:
        while self._idle:
            server = self._idle.pop()
            try:
                with within(self.settings.smtp_seconds):
                    if server.noop()[0] == 250:
                        return server
            except (OSError, smtplib.SMTPException):
                pass
            server.close()
        return None

    def _connect(self) -> smtplib.SMTP:
        settings = self.settings
        try:
            with within(settings.smtp_seconds):
                server = _open(settings)
        except (OSError, smtplib.SMTPException) as fault:
            self._note_failure(fault)
            raise Unreachable(str(fault)) from fault
        self._failures = 0
        return server

    def _note_failure(self, fault: Exception) -> None:
        named = {"fault": _without_text(fault)}
        if self._busy:
            # It serves us, but not over as many connections.
            self._most, self._crowded_until = self._busy, time.monotonic() + CROWDED_SECONDS
            log.info("the mail server takes no more connections", extra={"connections": self._busy, **named})
            return
        self._failures += 1
        self._rests_until = time.monotonic() + min(2.0 ** (self._failures - 1), LONGEST_REST)
        log.warning("the mail server cannot be reached; mail waits", extra=named)


def _open(settings: NotificationsSettings) -> smtplib.SMTP:
    tls, seconds = settings.tls(), settings.smtp_seconds
    server: smtplib.SMTP
    if settings.smtp_tls == "tls":
        server = smtplib.SMTP_SSL(settings.smtp_host, settings.port, timeout=seconds, context=tls)
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.port, timeout=seconds)
    try:
        if settings.smtp_tls == "starttls":
            server.starttls(context=tls)
        server.ehlo_or_helo_if_needed()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
    except BaseException:
        server.close()
        raise
    return server


class Connection:
    """One connection to the mail server."""

    def __init__(self, server: smtplib.SMTP, settings: NotificationsSettings) -> None:
        self.server, self.settings = server, settings
        self.broken = False

    @property
    def stands(self) -> bool:
        """Whether another mail can be sent; a server may hang up after any answer (RFC 5321, section 3.8)."""
        return not self.broken and self.server.sock is not None

    def send(self, to: str, content: bytes) -> None:
        """Hand over one mail, whose lines all end with CRLF. Raises Deferred and Refused."""
        try:
            with within(self.settings.smtp_seconds):
                self._hand_over(to, content)
        except (Deferred, Refused):
            raise
        except (OSError, smtplib.SMTPException) as fault:
            self.broken = True
            raise Deferred(f"the connection broke: {type(fault).__name__}") from None
        except BaseException:
            self.broken = True
            raise

    def _hand_over(self, to: str, content: bytes) -> None:
        size = f" SIZE={len(content)}" if self.server.has_extn("size") else ""
        replies = self._ask(f"MAIL FROM:<{self.settings.sender.addr_spec}>{size}", f"RCPT TO:<{to}>", "DATA")
        taken = _refused(replies) is None
        if replies[-1][0] == GO_AHEAD:
            # It may say so though it refused the recipient: then it gets nothing but the end (RFC 2920, section 3.1).
            self.server.send(_stuffed(content) + b".\r\n" if taken else b".\r\n")
            replies.append(self.server.getreply())
        step = _refused(replies)
        if step is None:
            return
        code, text = replies[step]
        self._leave_off(code)
        if step == 0:
            log.error("the mail server refuses CG_MAIL_FROM", extra={"code": code})
            raise Deferred(_named(code, text))
        raise _fault(code, text)

    def _ask(self, *commands: str) -> list[tuple[int, bytes]]:
        """The replies to commands, up to one that the server refuses: all at once where it takes them so (RFC 2920)."""
        if self.server.has_extn("pipelining"):
            self.server.send("".join(f"{one}\r\n" for one in commands))
            return [self.server.getreply() for _ in commands]
        replies: list[tuple[int, bytes]] = []
        for one in commands:
            replies.append(self.server.docmd(one))
            if _refused(replies) is not None:
                break
        return replies

    def _leave_off(self, code: int) -> None:
        """Be ready for the next mail after this reply to one, or hang up."""
        if code == HANGS_UP:
            self.server.close()
            return
        try:
            self.server.rset()
        except (OSError, smtplib.SMTPException):
            self.broken = True


def _refused(replies: list[tuple[int, bytes]]) -> int | None:
    """At which step the server refused a mail; None if it did not."""
    return next((step for step, (code, _) in enumerate(replies) if code // 100 != STEPS[step]), None)


def _stuffed(content: bytes) -> bytes:
    """A mail in which no line is taken for its end (RFC 5321, section 4.5.2). It begins with the name of a header."""
    return content.replace(b"\r\n.", b"\r\n..")


def _fault(code: int, text: bytes | str) -> Exception:
    return Refused(_named(code, text)) if 500 <= code < 600 else Deferred(_named(code, text))


def _named(code: int, text: bytes | str) -> str:
    """The reply as it may be told: its codes, not its words, in which an address may be."""
    said = _ENHANCED.match(text if isinstance(text, bytes) else text.encode())
    return f"{code} {said[1].decode()}" if said else str(code)


def _without_text(fault: Exception) -> str:
    if isinstance(fault, smtplib.SMTPResponseException):
        return f"{type(fault).__name__}: {_named(fault.smtp_code, fault.smtp_error)}"
    return f"{type(fault).__name__}: {fault}"
