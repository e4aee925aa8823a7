"""Writes mails: text and HTML, with what mail programs need to thread them, and to end them with one click."""

from __future__ import annotations

import secrets
from binascii import b2a_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import Any

from markupsafe import escape

from notifications.email.model import Mailbox
from notifications.mails.model import Mail
from notifications.mails.wording import render, say, shown
from notifications.people.model import Profile
from notifications.settings import NotificationsSettings

MOST_IN_A_DIGEST = 50
MOST_IN_A_LINE = 900
"""Headers are not folded: some programs do not read what is on the line after its name. RFC 5322 allows 998 (section 2.1.1)."""


def code_letter(
    settings: NotificationsSettings, mail: Mail, to: str, profile: Profile, code: str, now: datetime
) -> bytes:
    """The mail that brings a code. It has no way to end it: it comes when somebody asks for it."""
    subject = say("%(code)s is your code", profile, code=code)
    headers = _headers(settings, f"{now.timestamp():.3f}.{mail.id}", to, subject, now)
    return _filled(headers, "code", profile, code=code, address=to)


class NoticeLetters:
    """The mails that tell of one notice, to many: rendered once for each language and clock, since they call nobody by name.

    All that a group is told is one thread (RFC 5322, section 3.6.4).
    """

    def __init__(self, settings: NotificationsSettings, notice: Mapping[str, Any]) -> None:
        self.settings, self.notice = settings, notice
        self._wordings: dict[Profile, _Wording] = {}

    def write(self, mail: Mail, mailbox: Mailbox, profile: Profile, now: datetime) -> bytes:
        """The mail to one person."""
        wording = self._wording(replace(profile, name=""))
        headers = _headers(self.settings, mail.id, mailbox.active or "", wording.subject, now)
        if group := self.notice["group"]:
            thread = f"<{group['id']}@{self.settings.sender.domain}>"
            headers |= {"In-Reply-To": thread, "References": thread}
        ending = _ending(self.settings, headers, mailbox, self.notice["kind"])
        return _whole(headers, _put_between(wording.text, ending), _put_between(wording.html, escape(ending)))

    def _wording(self, nobody: Profile) -> _Wording:
        if nobody not in self._wordings:
            item = shown(self.notice, nobody)
            text, html = (self._around_ending(f"notice.{suffix}", nobody, item) for suffix in ("txt", "html"))
            self._wordings[nobody] = _Wording(item["title"], text, html)
        return self._wordings[nobody]

    def _around_ending(self, template: str, nobody: Profile, item: Mapping[str, Any]) -> list[str]:
        """What stands before, between and after the places where each person has an address of their own to end such mail."""
        place = secrets.token_hex(16)  # nobody can have written that into the notice
        page = render(template, nobody, notice=item, base=self.settings.public, ending=place)
        return [_quoted(piece) for piece in page.split(place)]


@dataclass(frozen=True, slots=True)
class _Wording:
    """A notice in one language, by one clock: its subject, and the pieces of both texts in quoted-printable."""

    subject: str
    text: list[str]
    html: list[str]


def digest_letter(
    settings: NotificationsSettings,
    mail: Mail,
    mailbox: Mailbox,
    profile: Profile,
    notices: Sequence[Mapping[str, Any]],
    now: datetime,
) -> bytes:
    """The mail that tells of many notices: of MOST_IN_A_DIGEST at most, and that there are more."""
    items = [shown(one, profile) for one in notices[:MOST_IN_A_DIGEST]]
    daily = say("Your day with Common Ground", profile)
    subject = daily if mail.kind == "daily" else say("Your week with Common Ground", profile)
    headers = _headers(settings, mail.id, mailbox.active or "", subject, now)
    ending = _ending(settings, headers, mailbox, mail.kind)
    more = len(notices) > len(items)
    return _filled(
        headers, "digest", profile, notices=items, more=more, base=settings.public, ending=ending, subject=subject
    )


def _headers(settings: NotificationsSettings, identifier: str, to: str, subject: str, now: datetime) -> dict[str, str]:
    return {
        "From": formataddr((settings.sender.display_name, settings.sender.addr_spec)),
        "To": to,
        "Subject": _encoded(" ".join(subject.split())),
        "Date": format_datetime(now),
        "Message-ID": f"<{identifier}@{settings.sender.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: nobody is to answer that they are away
    }


def _ending(settings: NotificationsSettings, headers: dict[str, str], mailbox: Mailbox, what: str) -> str:
    """Say how to end such mails with one click (RFC 8058); gives the address."""
    address = f"{settings.public}/v1/unsubscribe/{mailbox.key}.{what}"
    headers["List-Unsubscribe"] = f"<{address}>"
    headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return address


def _filled(headers: Mapping[str, str], template: str, profile: Profile, **values: Any) -> bytes:
    """A whole mail from its templates."""
    text, html = (_quoted(render(f"{template}.{suffix}", profile, **values)) for suffix in ("txt", "html"))
    return _whole(headers, text, html)


def _whole(headers: Mapping[str, str], text: str, html: str) -> bytes:
    """A whole mail: text and HTML in quoted-printable, the same in both (RFC 2046, section 5.1.4).

    The standard library's EmailMessage takes ten times as long, and a notice may be mailed to a hundred thousand.
    """
    boundary = f"={secrets.token_hex(12)}="  # such a thing is never in quoted-printable
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += ["MIME-Version: 1.0", f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
    for subtype, content in (("plain", text), ("html", html)):
        lines += ["", f"--{boundary}", f'Content-Type: text/{subtype}; charset="utf-8"']
        lines += ["Content-Transfer-Encoding: quoted-printable", "", content]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _encoded(text: str) -> str:
    """A text as it may stand in a header: as it is, or encoded (RFC 2047)."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=MOST_IN_A_LINE).encode()


def _put_between(pieces: Sequence[str], text: str) -> str:
    """Pieces in quoted-printable with a text between them: on lines of its own, which are no lines of what is meant."""
    return f"=\r\n{_quoted(text)}=\r\n".join(pieces)


def _quoted(text: str) -> str:
    """A text in quoted-printable (RFC 2045, section 6.7)."""
    # It breaks lines as the first one of a text ends, with a mere line feed where there is none.
    return b2a_qp(text.replace("\r\n", "\n").encode(), istext=True).decode("ascii").replace("\n", "\r\n")
