"""Decides when a mail is due, when it is tried again, and which digest is the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from notifications.notices.model import KINDS
from notifications.preferences.model import Preferences

What = Literal["code", "notice", "digest"]
WHATS: tuple[What, ...] = get_args(What)
"""What mails are, the most urgent first."""
Rhythm = Literal["daily", "weekly"]
RHYTHMS: tuple[Rhythm, ...] = get_args(Rhythm)

SENT, BOUNCED, FAILED, DROPPED = "sent", "bounced", "failed", "dropped"
"""What became of a mail: the server took it; it refused it for good; it was tried long enough; nobody wants it any more."""

_M, _H = timedelta(minutes=1), timedelta(hours=1)
PAUSES = (1 * _M, 5 * _M, 15 * _M, 1 * _H, 3 * _H, 6 * _H, 12 * _H, 24 * _H)
"""How long to wait after the first, second, … attempt that failed for now: nine attempts within two days."""
JITTER = 0.1
"""By which part a pause is longer or shorter, by chance."""

DIGEST_AT = time(8)
"""When digests are sent, on the clock of whom they are for."""
CODE_KIND = "email.verification"
"""How the mail with a code is called where the kinds of notices are."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person; due at a time, or (None) done with."""

    id: str
    what: What
    person: str
    kind: str
    """The kind of the notice, or the rhythm of the digest."""
    due_at: datetime | None
    created_at: datetime
    notice: str | None = None
    after: str = ""
    until: str = ""
    """A digest has the notices with ids after the one and up to the other."""
    attempts: int = 0
    state: str | None = None
    reason: str | None = None


def mail_of(notice: Mapping[str, str], person: str, due_at: datetime, now: datetime) -> Mail:
    """The mail that tells a person of a notice; there is one of this id only."""
    return Mail(f"{notice['_id']}.{person}", "notice", person, notice["kind"], due_at, now, notice=notice["_id"])


def code_mail(person: str, now: datetime) -> Mail:
    """The mail that brings a person a code; a newer one takes its place."""
    return Mail(code_mail_id(person), "code", person, CODE_KIND, now, now)


def code_mail_id(person: str) -> str:
    """The id of the mail that brings a person a code."""
    return f"code.{person}"


def later(mail: Mail, reason: str, now: datetime, chance: float) -> Mail:
    """The mail after an attempt that failed for now. `chance`, from 0 to 1, makes the pause longer or shorter."""
    tried = replace(mail, attempts=mail.attempts + 1, reason=reason)
    if mail.attempts >= len(PAUSES):
        return replace(tried, due_at=None, state=FAILED)
    return replace(tried, due_at=now + PAUSES[mail.attempts] * (1 - JITTER + 2 * JITTER * chance))


def done(mail: Mail, state: str, reason: str | None = None) -> Mail:
    """The mail when there is nothing more to do with it."""
    return replace(mail, due_at=None, state=state, reason=reason)


# -- digests


@dataclass(frozen=True, slots=True)
class Digest:
    """When a person's next digest is due, and where the last one ended."""

    person: str
    rhythm: Rhythm
    due_at: datetime
    done: str = ""
    """The day or week of the last one: there is one for each."""
    after: str = ""
    """The digest begins after this id of a notice."""


def first_digest(person: str, rhythm: Rhythm, zone: ZoneInfo, now: datetime, last: str) -> Digest:
    """The digest of somebody who gets mail from now on; `last` is the id of the last notice that was posted."""
    return Digest(person, rhythm, next_time(rhythm, zone, now, ""), after=last)


def next_time(rhythm: Rhythm, zone: ZoneInfo, now: datetime, done: str) -> datetime:
    """The next 08:00 in a time zone, on a Monday for a weekly digest, of a day or week after the one that is done (UTC)."""
    day = now.astimezone(zone).date()
    while True:
        at = datetime.combine(day, DIGEST_AT, zone).astimezone(now.tzinfo)
        if at > now and period_of(rhythm, day) > done and (rhythm == "daily" or day.weekday() == 0):
            return at
        day += timedelta(days=1)


def period_of(rhythm: Rhythm, day: date) -> str:
    """The day or the week (ISO 8601) that a digest of this day is for; the later one is greater."""
    if rhythm == "daily":
        return day.isoformat()
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def fall_due(digest: Digest, zone: ZoneInfo, now: datetime, last: str) -> tuple[Mail | None, Digest]:
    """The digest's mail, if there is one to send for this day or week, and the digest after it.

    `last` is the id of the last notice that was posted: with it the digest ends.
    """
    period = period_of(digest.rhythm, now.astimezone(zone).date())
    if period <= digest.done:  # they moved to where it is yesterday
        return None, replace(digest, due_at=next_time(digest.rhythm, zone, now, digest.done))
    mail = Mail(
        id=f"{digest.rhythm}.{period}.{digest.person}",
        what="digest",
        person=digest.person,
        kind=digest.rhythm,
        due_at=now,
        created_at=now,
        after=digest.after,
        until=last,
    )
    following = next_time(digest.rhythm, zone, now, period)
    return mail, replace(digest, due_at=following, done=period, after=last)


# -- ending mail


def is_ended_by(what: str) -> bool:
    """Whether this names a kind of mail that one can have ended: a kind of notice, or a rhythm of digests."""
    return what in KINDS or what in RHYTHMS


def without(preferences: Preferences, what: str) -> dict[str, dict[str, str]]:
    """What of preferences changes so that no mail of this kind comes any more: a kind of notice, or a rhythm of digests."""
    ended = [what] if what in KINDS else [kind for kind in KINDS if preferences.email(kind) == what]
    return {kind: {"email": "off"} for kind in ended}
