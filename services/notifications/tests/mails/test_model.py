"""When mails are tried again, and when digests are due."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.mails import model
from notifications.mails.model import PAUSES, RHYTHMS
from notifications.notices.model import KINDS
from notifications.preferences.model import Preferences

NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)  # a Wednesday
BERLIN, NEW_YORK, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia", "Pacific/Pago_Pago"])


def at(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def test_a_mail_that_fails_for_now_is_tried_again_later_and_later_and_at_last_given_up():
    mail = model.mail_of({"_id": "ntc_1", "kind": "rsvp.promoted"}, "psn_ben", NOW, NOW)
    pauses = []
    while mail.state is None:
        mail = model.later(mail, "451", NOW, 0.5)
        if mail.due_at is not None:
            pauses.append(mail.due_at - NOW)
    assert pauses == list(PAUSES)
    assert (mail.state, mail.attempts, mail.reason) == ("failed", 9, "451")


def test_pauses_differ_by_chance():
    mail = model.code_mail("psn_ben", NOW)
    early, late = (model.later(mail, "451", NOW, chance).due_at - NOW for chance in (0, 1))
    assert (early, late) == (PAUSES[0] * 0.9, PAUSES[0] * 1.1)


@pytest.mark.parametrize(
    ("rhythm", "zone", "now", "done", "expected"),
    [
        ("daily", BERLIN, "2026-11-25T07:59", "", "2026-11-25T08:00"),
        ("daily", BERLIN, "2026-11-25T08:00", "", "2026-11-26T08:00"),
        ("daily", BERLIN, "2026-11-25T07:00", "2026-11-25", "2026-11-26T08:00"),
        ("daily", BERLIN, "2026-03-28T09:00", "", "2026-03-29T08:00"),  # the clocks change that night
        ("weekly", TOKYO, "2026-11-25T07:00", "", "2026-11-30T08:00"),
        ("weekly", TOKYO, "2026-11-30T07:00", "", "2026-11-30T08:00"),
        ("weekly", TOKYO, "2026-11-30T07:00", "2026-W49", "2026-12-07T08:00"),
        ("weekly", NEW_YORK, "2026-12-31T12:00", "2026-W53", "2027-01-04T08:00"),
    ],
)
def test_digests_are_due_at_eight_on_the_persons_clock(rhythm, zone, now, done, expected):
    assert model.next_time(rhythm, zone, at(now, zone), done) == at(expected, zone)


@given(st.sampled_from(RHYTHMS), ZONES, st.lists(st.tuples(st.integers(0, 2_000), ZONES), max_size=12))
def test_whenever_and_wherever_somebody_is_there_is_one_digest_for_each_day_or_week(rhythm, zone, moves):
    now = NOW
    digest = model.first_digest("psn_ben", rhythm, ZoneInfo(zone), now, "ntc_000000")
    periods, covered = [], digest.after
    for minutes, elsewhere in moves:
        now += timedelta(minutes=minutes)
        if digest.due_at > now:
            continue
        mail, following = model.fall_due(digest, ZoneInfo(elsewhere), now, f"ntc_{minutes + int(covered[4:]):06}")
        assert following.due_at > now
        if mail is not None:
            periods.append(following.done)
            assert mail.after == covered <= mail.until == following.after
            covered = following.after
        digest = following
    assert periods == sorted(set(periods))


def test_after_an_outage_of_days_there_is_one_digest_of_all_of_them():
    digest = model.first_digest("psn_ben", "daily", BERLIN, NOW, "ntc_1")
    mail, following = model.fall_due(digest, BERLIN, NOW + timedelta(days=5), "ntc_9")
    assert mail is not None and (mail.after, mail.until) == ("ntc_1", "ntc_9")
    assert following.due_at == at("2026-12-01T08:00", BERLIN)


def test_weeks_are_those_of_the_calendar():
    assert model.period_of("weekly", date(2027, 1, 3)) == "2026-W53"
    assert model.period_of("daily", date(2027, 1, 3)) == "2027-01-03"


def test_ending_a_kind_of_mail_ends_that_kind_and_ending_a_digest_all_that_is_in_it():
    usual = Preferences("psn_ben")
    assert model.without(usual, "rsvp.promoted") == {"rsvp.promoted": {"email": "off"}}
    daily = {kind for kind, one in KINDS.items() if one.email == "daily"}
    assert set(model.without(usual, "daily")) == daily
    assert not model.is_ended_by("now")
