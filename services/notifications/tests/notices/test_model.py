"""What each notice says, whom it is for and whom it is not for."""

from datetime import UTC, datetime

import pytest

from notifications.audiences.model import People
from notifications.notices import model
from notifications.notices.model import KINDS

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KITTENS = {"id": "grp_kittens", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"}
ANA = {"id": "psn_ana", "handle": "ana", "display_name": "Ana"}
BEN = {"id": "psn_ben", "handle": "ben", "display_name": "Ben"}
LADDER = {"id": "ask_ladder", "title": "Who has a ladder?", "kind": "hands"}
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


@pytest.mark.parametrize(("lead", "title"), [("PT24H", "A day to go"), ("PT1H", "An hour to go"), ("PT10M", "Soon")])
def test_who_is_going_is_reminded_of_when_it_is(lead, title):
    notice = model.event_due(KITTENS, BRUNCH, lead, NOW)
    assert (notice.audience.key, notice.title) == ("going:evt_brunch", f"{title}: Bacon brunch")
    assert notice.body == ("You are going. Tuesday, 1 December 2026, 19:00 (America/New_York), with Kittens and Bacon")


def test_a_person_hears_that_a_seat_is_theirs():
    notice = model.rsvp_promoted(KITTENS, BRUNCH, "psn_ana", NOW)
    assert notice.audience.key == "person:psn_ana"
    assert notice.title == "You are in: Bacon brunch"
    assert notice.not_for == ()


def test_what_one_did_oneself_is_not_told_one():
    assert model.join_approved(KITTENS, "psn_ben", None, NOW) is None
    assert model.join_approved(KITTENS, "psn_ben", BEN, NOW) is None
    assert model.member_removed(KITTENS, "psn_ben", BEN, NOW) is None
    assert model.member_banned(KITTENS, "psn_ben", BEN, NOW) is None
    assert model.member_role_changed(KITTENS, "psn_ben", "organizer", BEN, NOW) is None
    assert model.member_role_changed(KITTENS, "psn_ben", "member", None, NOW) is None
    assert model.group_archived(KITTENS, ANA, NOW).not_for == ("psn_ana",)
    assert model.ask_opened(KITTENS, BEN, LADDER, NOW).not_for == ("psn_ben",)


@pytest.mark.parametrize(
    ("role", "title"),
    [
        ("organizer", "You are an organizer of Kittens and Bacon now"),
        ("moderator", "You are a moderator of Kittens and Bacon now"),
        ("member", "You are a member of Kittens and Bacon now"),
        ("a_role_of_tomorrow", "You are a member of Kittens and Bacon now"),
    ],
)
def test_a_person_hears_which_role_they_have(role, title):
    assert model.member_role_changed(KITTENS, "psn_ben", role, ANA, NOW).title == title


@pytest.mark.parametrize(
    ("interests", "words"),
    [
        (["kittens"], "A group for kittens: Kittens and Bacon"),
        (["kittens", "bacon"], "A group for kittens and bacon: Kittens and Bacon"),
        (["kittens", "hockey", "bacon"], "A group for kittens, hockey and bacon: Kittens and Bacon"),
    ],
)
def test_interests_are_listed_as_one_says_them(interests, words):
    assert model.watch_matched(KITTENS, "psn_ben", interests, NOW).title == words


def test_demand_says_how_many_and_leads_to_it_whatever_is_in_an_interest():
    notice = model.demand_risen("dmd_1", ["r&d", "c++"], 1, ["psn_ana"], NOW)
    assert notice.title == "1 person is looking for r&d and c++: found it?"
    assert notice.subject["href"] == "/v1/demand?interest=r%26d&interest=c%2B%2B"


def test_an_ask_of_a_kind_of_tomorrow_is_told_too():
    assert model.ask_opened(KITTENS, BEN, {**LADDER, "kind": "lift"}, NOW).body.startswith("Help is wanted in")


def test_a_request_without_an_answer_says_who_waits():
    assert model.join_requested(KITTENS, BEN, None, NOW).body == "@ben is waiting to be let in."


def test_without_people_who_were_forgotten_the_others_hear_of_it():
    sent = model.promotion_sent(KITTENS, "Come!", ["psn_ana", "psn_ben"], NOW)
    assert sent.without({"psn_ben"}).audience == People(("psn_ana",))
    assert sent.without({"psn_ana", "psn_ben"}) is None
    assert sent.without(set()) == sent
    assert model.promotion_sent(KITTENS, "Come!", [], NOW).without(set()) is None


def test_without_whom_it_names_or_is_for_nothing_is_told():
    offer = model.offer_made(KITTENS, BEN, LADDER, "psn_ana", NOW)
    assert offer.without({"psn_ben"}) is None
    assert offer.without({"psn_ana"}) is None
    assert model.event_scheduled(KITTENS, BRUNCH, ANA, NOW).without({"psn_ana"}).not_for == ()


def test_whom_it_names_is_not_told_it():
    for notice in NOTICES:
        assert notice.names is None or notice.names in notice.not_for
        assert notice.people >= set(notice.not_for)


NOTICES = [
    model.group_archived(KITTENS, ANA, NOW),
    model.member_removed(KITTENS, "psn_ben", ANA, NOW),
    model.member_banned(KITTENS, "psn_ben", ANA, NOW),
    model.member_role_changed(KITTENS, "psn_ben", "organizer", None, NOW),
    model.join_requested(KITTENS, BEN, None, NOW),
    model.join_approved(KITTENS, "psn_ben", ANA, NOW),
    model.join_declined(KITTENS, "psn_ben", ANA, NOW),
    model.watch_matched(KITTENS, "psn_ben", ["kittens"], NOW),
    model.demand_risen("dmd_1", ["kittens"], 3, ["psn_ben"], NOW),
    model.promotion_sent(KITTENS, "Come!", ["psn_ben"], NOW),
    model.ask_opened(KITTENS, BEN, LADDER, NOW),
    model.offer_made(KITTENS, BEN, LADDER, "psn_ana", NOW),
    model.ask_resolved(KITTENS, BEN, LADDER, ["psn_ana"], NOW),
    model.member_joined(KITTENS, BEN, "member", None, NOW),
    model.event_scheduled(KITTENS, BRUNCH, ANA, NOW),
    model.event_changed(KITTENS, BRUNCH, [], ANA, NOW),
    model.event_cancelled(KITTENS, BRUNCH, None, ANA, NOW),
    model.event_due(KITTENS, BRUNCH, "PT1H", NOW),
    model.rsvp_promoted(KITTENS, BRUNCH, "psn_ben", NOW),
    model.webhook_disabled("whk_1", "psn_ben", "https://example.org/hooks?key=secret", "gone", NOW),
]


def test_every_kind_is_among_these():
    assert {notice.kind for notice in NOTICES} == set(KINDS)


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.kind)
def test_each_kind_goes_to_the_kind_of_audience_where_the_inbox_looks_for_it(notice):
    assert notice.audience.kind == KINDS[notice.kind].audience
