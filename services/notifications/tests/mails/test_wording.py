"""What is mailed reads as whom it is for reads: their language, their clock, how times are written there."""

import re
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from markupsafe import escape

from notifications.email.model import Mailbox
from notifications.mails import letters, wording
from notifications.mails.letters import NoticeLetters, code_letter
from notifications.mails.model import code_mail, mail_of
from notifications.mails.wording import render, shown
from notifications.notices import model
from notifications.notices.store import _document
from notifications.notices.words import made, moment, remade, say
from notifications.people.model import Profile
from notifications.settings import NotificationsSettings

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KITTENS = {"id": "grp_kittens", "slug": "kittens", "name": "100 % Kittens"}
BRUNCH = {
    "id": "evt_brunch",
    "title": "Bacon brunch",
    "starts_at": datetime(2026, 12, 2, 0, tzinfo=UTC),
    "time_zone": "America/New_York",
}
PACKAGE = Path(wording.__file__).parents[1]
CHANGED = _document(model.event_changed(KITTENS, BRUNCH, ["venue", "starts_at"], None, NOW))


def test_without_a_translation_it_is_english_with_times_as_they_are_written_there():
    told = shown(CHANGED, Profile("Ben", "America/New_York", "en-GB"))
    assert told["title"] == "Changed: Bacon brunch"
    assert told["body"] == (
        "Changed: the place, the time. It is now on Tuesday, 1 December 2026, 19:00 (America/New_York)"
    )
    assert told["at"] == "23 Nov 2026, 13:00"
    assert "19.00" in shown(CHANGED, Profile("Ben", "America/New_York", "fi"))["body"]


def test_with_one_everything_is_in_that_language():
    told = shown(CHANGED, Profile("Ben", "America/New_York", "de-AT"))
    assert told["title"] == "Geändert: Bacon brunch"
    assert told["body"] == ("Geändert: der Ort, die Zeit. Jetzt: Dienstag, 1. Dezember 2026, 19:00 (America/New_York)")


def test_who_lives_by_another_clock_reads_both():
    told = shown(CHANGED, Profile("Ben", "Asia/Tokyo", "de"))
    assert told["body"].endswith("19:00 (America/New_York), bei dir 02.12.2026, 09:00")


def test_what_people_wrote_stays_as_it_is():
    sent = _document(model.promotion_sent(KITTENS, "50 % more %(group)s!", ["psn_ben"], NOW))
    told = shown(sent, Profile("Ben", "UTC", "de"))
    assert (told["title"], told["body"]) == ("100 % Kittens könnte dir gefallen", "50 % more %(group)s!")


@pytest.mark.parametrize("tag", ["xx", "zz-ZZ", "en-Latn-XX", "de-1996", ""])
def test_a_language_that_nobody_knows_is_no_fault(tag):
    assert shown(CHANGED, Profile("Ben", "Mars/Olympus", tag))["title"]


def test_a_text_is_made_again_as_it_was():
    text = say("%(when)s, with %(group)s", when=moment(NOW, "UTC"), group="100 % Kittens")
    again = remade(made(text))
    assert (again, made(again)) == (text, made(text))
    assert remade(made("as it is")) == "as it is"


def test_html_shows_what_people_wrote_and_nothing_of_it_acts():
    evil = '<script>alert("x")</script>'
    profile = Profile(evil, locale="de")
    page = render("code.html", profile, code="123456", address="a@example.org")
    assert evil not in page and "&lt;script&gt;" in page


def test_a_header_takes_any_language_and_no_line_of_its_own():
    settings = NotificationsSettings()
    settings.mail_from, settings.public_url = "Grüße <notices@cg.example>", "https://cg.example"
    mail = code_letter(settings, code_mail("psn_ben", NOW), "ben@example.org", Profile("Ben"), "123456", NOW)
    head = mail.split(b"\r\n\r\n")[0]
    assert head.isascii() and b"=?utf-8?" in head
    notice = {**CHANGED, "words": {"title": "Ünder\r\nBcc: eve@example.org", "body": "x"}}
    mail, mailbox = mail_of(notice, "psn_ben", NOW, NOW), Mailbox("psn_ben", "b@example.org")
    told = NoticeLetters(settings, notice).write(mail, mailbox, Profile("Ben"), NOW)
    assert b"\nBcc:" not in told.split(b"\r\n\r\n")[0]


def test_a_notice_is_worded_once_for_all_of_one_language_and_clock_and_each_gets_their_own_mail(monkeypatch):
    settings = NotificationsSettings()
    settings.mail_from, settings.public_url = "notices@cg.example", "https://cg.example/it's-ours"
    rendered = Counter()
    monkeypatch.setattr(
        letters, "render", lambda name, *rest, **more: rendered.update([name]) or render(name, *rest, **more)
    )
    told = NoticeLetters(settings, CHANGED)
    people = [("Ben", "UTC", "de"), ("Ana", "UTC", "de"), ("Chris", "UTC", "en"), ("Eve", "Asia/Tokyo", "de")]
    mails = {}
    for name, zone, locale in people:
        mailbox = Mailbox(f"psn_{name}", f"{name}@example.org")
        made = told.write(mail_of(CHANGED, mailbox.person, NOW, NOW), mailbox, Profile(name, zone, locale), NOW)
        lines = made.split(b"\r\n")
        assert all(b"\n" not in line for line in lines)
        assert max(map(len, lines[lines.index(b"") :])) <= 76
        mail = mails[name] = message_from_bytes(made, policy=policy.default)
        assert (mail["To"], mail["Message-ID"]) == (mailbox.address, f"<{CHANGED['_id']}.{mailbox.person}@cg.example>")
        link = f"https://cg.example/it's-ours/v1/unsubscribe/{mailbox.key}.event.changed"
        assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (f"<{link}>", "List-Unsubscribe=One-Click")
        text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert text.splitlines()[-2:] == [link, ""]
        assert f'href="{escape(link)}"' in html
    words = {name: mail.get_body(("plain",)).get_content().partition("\r\n-- ")[0] for name, mail in mails.items()}
    assert words["Ben"] == words["Ana"] and len(set(words.values())) == 3
    assert rendered == {"notice.txt": 3, "notice.html": 3}


def test_each_translation_is_of_what_is_said_and_keeps_its_places():
    methods = [("**.py", "python"), ("**/templates/**", "jinja2.ext.babel_extract")]
    options = {"**/templates/**": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}
    said = {
        message
        for _, _, message, _, _ in extract_from_dir(
            str(PACKAGE), methods, options, keywords={"say": None, "form": None, "gettext": None}
        )
    }
    assert len(said) > 60
    for path in (PACKAGE / "locale").glob("*.po"):
        with path.open("rb") as file:
            catalog = [one for one in read_po(file) if one.id and one.string]
        assert {one.id for one in catalog} <= said
        for one in catalog:
            assert sorted(re.findall(r"%\(\w+\)s", one.string)) == sorted(re.findall(r"%\(\w+\)s", one.id)), one.id
