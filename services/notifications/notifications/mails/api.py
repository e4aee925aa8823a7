"""Mails what people want to be mailed: at once or in digests; and ends it with one click."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chassis.crews import Job, crew
from chassis.endpoints import ANYONE, Answer, Call, endpoint
from chassis.merge_patch import merge_patch
from chassis.messages import Received
from chassis.problems import NotFound
from chassis.subscriptions import subscribe
from chassis.threads import in_thread
from chassis.timers import Tick, every
from chassis.together import Together
from notifications.audiences.model import Standing, audience_named, audiences_of, left_groups
from notifications.email.model import Mailbox, kept, new_code
from notifications.inbox.api import view_of
from notifications.inbox.model import View
from notifications.mails import letters, model
from notifications.mails.model import BOUNCED, DROPPED, FAILED, RHYTHMS, SENT, Mail
from notifications.mails.postbox import CONNECTIONS, Connection, Deferred, Postbox, Refused, Unreachable
from notifications.mails.schemas import DeliveryFailed, MoreRead, MoreToMail, PostedData
from notifications.mails.store import Batch
from notifications.mails.wording import render
from notifications.notices.model import KINDS
from notifications.people.model import Profile
from notifications.people.schemas import ProfileData
from notifications.preferences.model import Preferences, change, changeable

CHUNK = 1_000
"""How many of a notice's audience are looked at together, and how many mails are about as many as one message makes."""
LOOK_THROUGH_SECONDS = 2.0
LOOK_SECONDS = 1.0
START_SECONDS = 5.0
"""For how long the mails of a batch are begun; others are given back. So a slow server holds up no ending of the process."""
GATHER_SECONDS = 0.003
"""How long a note that mails were sent waits for those of other connections: 9 mails together instead of 3."""
DIGESTS_AT_ONCE = 500
DIGEST_SECONDS = 5
HTML = "text/html; charset=utf-8"
STRANGER = Profile("")
"""How to write to somebody of whose profile no message has come yet."""


class MailsApi:
    """Mail to whoever wants it."""

    store: Any
    settings: Any

    # -- ending it

    @endpoint("GET", "/v1/unsubscribe/{token}", access=ANYONE, media_type=HTML, problems=(NotFound,))
    def show_unsubscribing(self, call: Call, token: str) -> Answer:
        """Show what ends which mail, and change nothing: a page with one button, which does `POST`."""
        mailbox, what = self._ending(token)
        return self._page(mailbox, what, ended=False)

    @endpoint(
        "POST",
        "/v1/unsubscribe/{token}",
        access=ANYONE,
        media_type=HTML,
        form=True,
        idempotent=True,
        problems=(NotFound,),
    )
    def unsubscribe(self, call: Call, token: str) -> Answer:
        """End a kind of mail with one click (RFC 8058), as mail programs do. Needs no sign-in; again changes nothing."""
        mailbox, what = self._ending(token)
        with self.store.transaction(call) as tx:
            before = tx.preferences.get(mailbox.person)
            patch = {"defaults": model.without(before, what)}
            after = change(before, merge_patch(changeable(before), patch))
            if after is not before and not tx.forgotten.has(mailbox.person):
                tx.preferences.save(after)
        return self._page(mailbox, what, ended=True)

    def _ending(self, token: str) -> tuple[Mailbox, str]:
        """Whose mail of which kind a token ends. Raises NotFound."""
        key, _, what = token.partition(".")
        mailbox = self.store.mailboxes.by_key(key) if model.is_ended_by(what) else None
        if mailbox is None:
            raise NotFound("There is no such mail to end.")
        return mailbox, what

    def _page(self, mailbox: Mailbox, what: str, *, ended: bool) -> Answer:
        profile = self.store.profiles.find(mailbox.person) or STRANGER
        page = render("unsubscribe.html", profile, what=what, ended=ended)
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return Answer(raw=page.encode(), media_type=HTML, headers=headers)

    # -- what is to be mailed at once

    @subscribe("notifications.notice.posted.v1", data=PostedData)
    def mail_notice(self, message: Received) -> None:
        """Mail a notice to those of its audience who want that at once."""
        self._mail_on(message, message.data["notice_id"], "")

    @subscribe(MoreToMail.type, data=MoreRead, private=True)
    def mail_on(self, message: Received) -> None:
        """Mail a notice to the next of its audience."""
        self._mail_on(message, message.subject, message.data["after"])

    def _mail_on(self, message: Received, identifier: str, after: str) -> None:
        """One chunk of an audience is one transaction; the message in it calls for the next.

        Where few want mail, more of the audience is looked through for one chunk, but not for long.
        """
        notice = self.store.notices.find(identifier) if self.settings.sends_mail else None
        if notice is None:
            return
        until = time.monotonic() + LOOK_THROUGH_SECONDS
        people, last = self._audience(notice, after)
        wanting = self._wanting(notice, people)
        while last and len(wanting) < CHUNK and time.monotonic() < until:
            people, last = self._audience(notice, last)
            wanting |= self._wanting(notice, people)
        profiles = self.store.profiles.of(wanting)
        try:
            with self.store.transaction(message) as tx:
                tx.mails.add(
                    [
                        model.mail_of(notice, one, _when(wanted, profiles.get(one, STRANGER), tx.now), tx.now)
                        for one, wanted in wanting.items()
                    ]
                )
                if last:
                    sequence = message.sequence + 1
                    tx.publish(MoreToMail({"after": last}, subject=identifier, sequence=sequence, audience="private"))
        finally:
            for one in self.store.forgotten.among(wanting):  # meanwhile: see Forgotten
                self.store.mails.forget(one)
        self.post.ring()  # type: ignore[attr-defined]

    def _wanting(self, notice: Mapping[str, Any], people: Collection[str]) -> dict[str, Preferences]:
        return who_wants(self.store, notice, self.store.mailboxes.of(people))

    def _audience(self, notice: Mapping[str, Any], after: str) -> tuple[list[str], str]:
        """The next CHUNK of people who may be in a notice's audience, and after whom to go on; "" when these are the last.

        Where few get mail at all, it is these, however many the audience has.
        """
        told = notice["audience"]
        keys = [told] if isinstance(told, str) else told
        named = [audience_named(key) for key in keys]
        if named[0].kind == "person":
            return [one.id for one in named], ""
        if (few := self.store.mailboxes.all_people(CHUNK)) is not None:
            return few, ""
        found: tuple[list[str], str] = self.store.standings.next_in([one.id for one in named], after, CHUNK)
        return found

    # -- digests

    @every(DIGEST_SECONDS)
    def make_digests(self, tick: Tick) -> None:
        """Have each digest sent that is due: its mail and the time of the next one are one transaction."""
        if not self.settings.sends_mail:
            return
        last = self.store.posting.last()
        due = self.store.digests.due(tick.now, DIGESTS_AT_ONCE)
        random.shuffle(due)  # so that several processes seldom meet
        profiles = self.store.profiles.of({person for person, _ in due})
        for person, rhythm in due:
            with self.store.transaction(tick) as tx:
                digest = tx.digests.get(person, rhythm)
                if digest is None or digest.due_at > tick.now:
                    tx.rollback()
                    continue
                profile = profiles.get(person, STRANGER)
                mail, following = model.fall_due(digest, profile.zone, tick.now, last)
                tx.digests.save(following)
                if mail is not None:
                    due_at = _when(tx.preferences.get(person), profile, tick.now)
                    tx.mails.add([replace(mail, due_at=due_at)])
        if due:
            self.post.ring()  # type: ignore[attr-defined]

    def begin_digests(self, tx: Any, person: str) -> None:
        """The person gets mail from now on, within a unit of work."""
        zone = (tx.profiles.find(person) or STRANGER).zone
        there = {digest.rhythm for digest in tx.digests.of(person)}
        for rhythm in RHYTHMS:
            if rhythm not in there:
                tx.digests.save(model.first_digest(person, rhythm, zone, tx.now, self.store.posting.last()))

    @subscribe("groups.person.updated.v1", data=ProfileData)
    def move_digests(self, message: Received) -> None:
        """The person may live in another time zone now: their digests come at 08:00 there."""
        with self.store.transaction(message) as tx:
            zone = Profile("", message.data["time_zone"]).zone
            for digest in tx.digests.of(message.data["person"]["id"]):
                due_at = model.next_time(digest.rhythm, zone, message.now, digest.done)
                tx.digests.save(replace(digest, due_at=due_at))

    # -- sending

    _postbox: Postbox | None = None

    @crew(CONNECTIONS, LOOK_SECONDS)
    def post(self, tick: Tick, free: int) -> Sequence[Job]:
        """Take what is due, in batches, each to be sent over one connection."""
        if not self.settings.sends_mail:
            return []
        kind = type(self)
        postbox = kind._postbox = kind._postbox or Postbox(self.settings)
        room = min(free, postbox.room)
        if room <= 0:
            return []
        return [partial(self._send, postbox, batch) for batch in self.store.mails.claim(tick.now, room)]

    def _send(self, postbox: Postbox, batch: Batch) -> bool:
        """Send a batch, and give back what there is no time for."""
        begun = time.monotonic()
        left = list(batch.mails)
        try:
            written = self._written(left)
            with postbox.connection() as connection:
                while left and connection.stands and time.monotonic() - begun < START_SECONDS:
                    mail = left.pop(0)
                    letter = written.get(mail.id)
                    settled = self._send_one(connection, letter, mail)
                    if settled.state == SENT and letter is not None:
                        _sent.do(self.store, (batch.token, mail.id))
                        self.store.mailboxes.note_delivery(letter.mailbox)
                    else:
                        self._settle(batch.token, settled, letter)
        except Unreachable:
            pass
        pause = postbox.rest_seconds
        now = Tick().now
        self.store.mails.settle(batch.token, [replace(one, due_at=_after(now, pause)) for one in left], now)
        return not pause

    @staticmethod
    def _send_one(connection: Connection, letter: Letter | None, mail: Mail) -> Mail:
        now = Tick().now
        if letter is not None and letter.rests_until is not None:
            return replace(mail, due_at=letter.rests_until)
        content = letter.write(now) if letter is not None else None
        if letter is None or content is None:
            return model.done(mail, DROPPED)
        try:
            connection.send(letter.to, content)
        except Deferred as fault:
            return model.later(mail, str(fault), now, random.random())
        except Refused as fault:
            return model.done(mail, BOUNCED, str(fault))
        return model.done(mail, SENT)

    def _settle(self, token: str, mail: Mail, letter: Letter | None) -> None:
        """Keep what became of a mail. A refusal counts against the address, unless it was a code; the last failure is told."""
        tick = Tick()
        if mail.state not in (BOUNCED, FAILED):
            self.store.mails.settle(token, [mail], tick.now)
            return
        with self.store.transaction(tick) as tx:
            tx.mails.settle(token, [mail], tick.now)
            if mail.state == BOUNCED and letter is not None and mail.what != "code":
                tx.mailboxes.note_bounce(letter.mailbox)
            content = {"channel": "email", "kind": mail.kind, "reason": mail.reason}
            tx.publish(DeliveryFailed(content, subject=mail.id, sequence=mail.attempts + 1, audience="person"))

    # -- writing

    def _written(self, mails: Sequence[Mail]) -> dict[str, Letter]:
        """The letters of these mails, by their ids. What nobody wants any more, or may read, has none."""
        people = {mail.person for mail in mails}
        profiles = self.store.profiles.of(people)
        known = {person: profiles.get(person, STRANGER) for person in people}
        found: dict[str, Letter] = {}
        for mail in mails:
            if mail.what == "code":
                found[mail.id] = self._code(mail, known[mail.person])
        self._write_notices([mail for mail in mails if mail.what == "notice"], known, found)
        self._write_digests([mail for mail in mails if mail.what == "digest"], known, found)
        return found

    def _code(self, mail: Mail, profile: Profile) -> Letter:
        mailbox = self.store.mailboxes.get(mail.person)

        def write(now: datetime) -> bytes | None:
            code = new_code()
            if not self.store.mailboxes.note_code(mailbox, in_thread(kept, code, now)):
                return None  # they want another address meanwhile, or none
            return letters.code_letter(self.settings, mail, mailbox.wanted, profile, code, now)

        return Letter(mailbox.wanted or "", mailbox, write)

    def _write_notices(self, mails: Sequence[Mail], profiles: Mapping[str, Profile], found: dict[str, Letter]) -> None:
        now = Tick().now
        mailboxes = self.store.mailboxes.of({mail.person for mail in mails})
        for notice in self.store.notices.those({mail.notice for mail in mails}):
            about = [mail for mail in mails if mail.notice == notice["_id"] and mail.person in mailboxes]
            wanting = who_wants(self.store, notice, [mail.person for mail in about])
            told = letters.NoticeLetters(self.settings, notice)
            for mail in about:
                person = mail.person
                if person in wanting:
                    rest = wanting[person].resting(now, profiles[person].zone)
                    content = partial(told.write, mail, mailboxes[person], profiles[person])
                    found[mail.id] = Letter(mailboxes[person].active or "", mailboxes[person], content, rest)

    def _write_digests(self, mails: Sequence[Mail], profiles: Mapping[str, Profile], found: dict[str, Letter]) -> None:
        now = Tick().now
        people = {mail.person for mail in mails}
        mailboxes, preferences = self.store.mailboxes.of(people), self.store.preferences.of(people)
        for mail in mails:
            person = mail.person
            if person in mailboxes and (notices := self._digested(mail)):
                rest = preferences[person].resting(now, profiles[person].zone)
                content = partial(
                    letters.digest_letter, self.settings, mail, mailboxes[person], profiles[person], notices
                )
                found[mail.id] = Letter(mailboxes[person].active or "", mailboxes[person], content, rest)

    def _digested(self, mail: Mail) -> list[dict[str, Any]]:
        """What a digest tells of, newest first: what is of its rhythm, unread, and was not mailed by itself."""

        def others(preferences: Preferences) -> list[str]:
            return [kind for kind in KINDS if preferences.email(kind) != mail.kind]

        reader = self.store.readers.get(mail.person)
        unread = replace(reader, up_to=max(reader.up_to, mail.after))
        view = view_of(self.store, mail.person, unread_of=unread, silent=others)
        found = self.store.inbox.newest(view, _behind(mail.until), letters.MOST_IN_A_DIGEST + 1)
        mailed = self.store.mails.known([f"{one['_id']}.{mail.person}" for one in found])
        return [one for one in found if f"{one['_id']}.{mail.person}" not in mailed]


def _note(store: Any, sent: list[tuple[str, str]]) -> list[None]:
    """Keep of mails, each named by the token of its claim and its id, that the server took them."""
    tokens, ids = zip(*sent, strict=True)
    store.mails.settle_sent(set(tokens), ids)
    return [None] * len(sent)


# Of all connections together, but each goes on when its own is kept: so after a kill no more than one for each comes again.
_sent: Together[tuple[str, str], None] = Together(_note, gather_seconds=GATHER_SECONDS)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that somebody still wants: where it goes, when it may, and how it is written at that moment."""

    to: str
    mailbox: Mailbox
    write: Callable[[datetime], bytes | None]
    rests_until: datetime | None = None


def who_wants(store: Any, notice: Mapping[str, Any], people: Collection[str]) -> dict[str, Preferences]:
    """Who of these, who all get mail, wants this notice (as it is kept) by mail at once, and sees it; with what they prefer."""
    kind, group = notice["kind"], (notice["group"] or {}).get("id")
    preferences = {person: one for person, one in store.preferences.of(people).items() if one.email(kind) == "now"}
    if not preferences:
        return {}
    told = notice["audience"]
    named = map(audience_named, [told] if isinstance(told, str) else told)
    places = {group, *(one.id for one in named if one.kind != "person")}
    standings = store.standings.those(preferences, places - {None})
    private = store.groups.private([group]) if group else set()
    return {
        person: one
        for person, one in preferences.items()
        if _view(person, one, standings.get(person, ()), private).shows(notice)
    }


def _view(person: str, preferences: Preferences, standings: Iterable[Standing], private: set[str]) -> View:
    """What a person sees, as far as these standings say; see view_of."""
    known = list(standings)
    return View(
        audiences=audiences_of(person, known),
        person=person,
        hidden=frozenset(private.intersection(left_groups(known))),
        muted=preferences.groups_at("mute"),
        highlights=preferences.groups_at("highlights"),
    )


def _when(preferences: Preferences, profile: Profile, now: datetime) -> datetime:
    """When mail may be sent to a person: now, or when their quiet hours are over."""
    return preferences.resting(now, profile.zone) or now


def _behind(notice: str) -> str:
    """What is greater than this id and less than that of every later notice."""
    return notice + "0"


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)
