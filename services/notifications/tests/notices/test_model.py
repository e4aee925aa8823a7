"""What each notice says, whom it is for and whom it is not for."""

from datetime import UTC, datetime

import pytest

from notifications.notices import model
from notifications.notices.model import AUDIENCE_OF

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KITTENS = {"id": "grp_kittens", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"}
ANA = {"id": "psn_ana", "handle": "ana", "display_name": "Ana"}
BEN = {"id": "psn_ben", "handle": "ben", "display_name": "Ben"}
BRUNCH = {
    "id": "evt_brunch",
    "title": "Bacon brunch",
    "starts_at": datetime(2026, 12, 2, 0, tzinfo=UTC),
    "time_zone": "America/New_York",
}


def test_organizers_hear_who_joined():
    notice = model.member_joined(KITTENS, BEN, "member", None, NOW)
    assert notice.audience.key == "organizers:grp_kittens"
    assert notice.title == "Ben joined Kittens and Bacon"
    assert notice.subject == {"type": "person", "id": "psn_ben", "href": "/v1/people/ben"}
    assert notice.at == NOW


def test_who_joined_and_who_let_them_in_do_not_hear_of_it():
    assert model.member_joined(KITTENS, BEN, "member", None, NOW).not_for == ("psn_ben",)
    assert model.member_joined(KITTENS, BEN, "member", ANA, NOW).not_for == ("psn_ben", "psn_ana")


def test_nobody_hears_that_a_founder_joined_their_own_group():
    assert model.member_joined(KITTENS, ANA, "organizer", None, NOW) is None


def test_members_hear_of_a_new_event_and_when_it_is_on_its_own_clock():
    notice = model.event_scheduled(KITTENS, BRUNCH, ANA, NOW)
    assert notice.audience.key == "group:grp_kittens"
    assert notice.title == "New: Bacon brunch"
    assert notice.body == "Tuesday, 1 December 2026, 19:00 (America/New_York), with Kittens and Bacon"
    assert notice.subject == {"type": "event", "id": "evt_brunch", "href": "/v1/events/evt_brunch"}


def test_a_time_zone_unknown_to_this_machine_is_told_in_utc():
    notice = model.event_scheduled(KITTENS, {**BRUNCH, "time_zone": "Mars/Olympus_Mons"}, ANA, NOW)
    assert notice.body.startswith("Wednesday, 2 December 2026, 00:00 (UTC)")


def test_who_answered_hears_what_changed_each_thing_once():
    notice = model.event_changed(KITTENS, BRUNCH, ["starts_at", "ends_at", "venue", "a_field_of_tomorrow"], ANA, NOW)
    assert notice.audience.key == "event:evt_brunch"
    assert (
        notice.body == "Changed: the time, the place. It is now on Tuesday, 1 December 2026, 19:00 (America/New_York)"
    )


def test_who_answered_hears_that_it_is_cancelled_and_why():
    notice = model.event_cancelled(KITTENS, BRUNCH, "No bacon left.", ANA, NOW)
    assert notice.audience.key == "event:evt_brunch"
    assert notice.title == "Cancelled: Bacon brunch"
    assert notice.body.endswith("(America/New_York). No bacon left.")
    assert model.event_cancelled(KITTENS, BRUNCH, None, ANA, NOW).body.endswith("(America/New_York)")


def test_who_did_it_does_not_hear_of_it():
    assert model.event_scheduled(KITTENS, BRUNCH, BEN, NOW).not_for == ("psn_ben",)


def test_what_the_platform_did_is_told_to_all():
    assert model.event_cancelled(KITTENS, BRUNCH, "The group was archived.", None, NOW).not_for == ()


def test_a_person_hears_that_a_seat_is_theirs():
    notice = model.rsvp_promoted(KITTENS, BRUNCH, "psn_ana", NOW)
    assert notice.audience.key == "person:psn_ana"
    assert notice.title == "You are in: Bacon brunch"
    assert notice.not_for == ()


@pytest.mark.parametrize(
    "notice",
    [
        model.member_joined(KITTENS, BEN, "member", None, NOW),
        model.event_scheduled(KITTENS, BRUNCH, ANA, NOW),
        model.event_changed(KITTENS, BRUNCH, [], ANA, NOW),
        model.event_cancelled(KITTENS, BRUNCH, None, ANA, NOW),
        model.rsvp_promoted(KITTENS, BRUNCH, "psn_ben", NOW),
    ],
    ids=lambda notice: notice.kind,
)
def test_each_kind_goes_to_the_kind_of_audience_where_the_inbox_looks_for_it(notice):
    assert notice.audience.kind == AUDIENCE_OF[notice.kind]
