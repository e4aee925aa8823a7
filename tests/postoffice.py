"""A real mail server for tests: it keeps what it takes, and refuses what it is told to refuse."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from chassis.nodes import free_port
from chassis.testing import wait_until

HOST = "127.0.0.1"


class PostOffice:
    """What arrives, by address. `refusals[address]` is what it answers to RCPT, `answers[address]` to DATA, in place of 250."""

    def __init__(self, **options: Any) -> None:
        self.port = free_port()
        self.options = options
        self.arrived: list[tuple[str, EmailMessage]] = []
        self.refusals: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.on_recipient: Callable[[str], None] = lambda address: None
        self.on_arrival: Callable[[str], None] = lambda address: None
        self.seconds = 0.0
        self.connections = 0
        self.open()

    def open(self) -> None:
        """Listen."""
        self.controller = Controller(self, hostname=HOST, port=self.port, **self.options)
        self.transports: list[Any] = []
        self.controller.start()

    def close(self) -> None:
        """Listen no more, and hang up."""
        for transport in self.transports:
            self.controller.loop.call_soon_threadsafe(transport.abort)
        self.controller.stop()

    def to(self, address: str) -> list[EmailMessage]:
        """The mails to an address, in the order in which they came."""
        return [mail for whom, mail in self.arrived if whom == address]

    def wait_for(self, address: str, number: int = 1, timeout: float = 10) -> list[EmailMessage]:
        """So many mails to an address, once they are there."""
        wait_until(lambda: len(self.to(address)) >= number, timeout, f"mail {number} to {address}")
        return self.to(address)

    def code_for(self, address: str, number: int = 1) -> str:
        """The code in the newest mail to an address, once so many mails are there."""
        mail = self.wait_for(address, number)[-1]
        found = re.search(r"\b\d{6}\b", text_of(mail))
        assert found, text_of(mail)
        return found[0]

    # -- what aiosmtpd calls

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        self.transports.append(server.transport)
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.on_recipient(address)
        if refusal := self.refusals.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.seconds)
        [address] = envelope.rcpt_tos
        mail = message_from_bytes(envelope.content, policy=policy.default)
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            self.arrived.append((address, mail))  # type: ignore[arg-type]
        self.on_arrival(address)
        return answer


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    """The HTML of a mail."""
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@contextmanager
def post_office(**options: Any) -> Iterator[PostOffice]:
    """A mail server for as long as it is needed."""
    office = PostOffice(**options)
    try:
        yield office
    finally:
        office.close()


def settings_for(office: PostOffice) -> dict[str, str]:
    """What a service is told of this mail server."""
    return {
        "CG_SMTP_HOST": HOST,
        "CG_SMTP_PORT": str(office.port),
        "CG_SMTP_TLS": "off",
        "CG_MAIL_FROM": "Common Ground <notices@cg.example>",
        "CG_PUBLIC_URL": "https://cg.example",
    }
