"""The rules of asks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Invalid, NotAllowed
from groups.asks import model
from groups.groups.model import AlreadyArchived, Viewer, found

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
DAY = timedelta(days=1)


def group_for(role="member", **changes):
    viewer = Viewer(role, "active") if role else None
    return replace(found({"name": "Kittens"}, "kittens", "ana", NOW), viewer=viewer, **changes)


def asked(**changes):
    wanted = {"title": "A ladder?", "body": "", "kind": "hands"}
    return replace(model.ask(group_for(), "ben", wanted, (0, 0), NOW), **changes)


@pytest.mark.parametrize(
    ("member_for", "missing"),
    [(timedelta(0), 7), (DAY - timedelta(seconds=1), 7), (DAY, 6), (6.5 * DAY, 1), (7 * DAY, 0), (70 * DAY, 0)],
)
def test_a_day_of_membership_is_missing_until_it_has_passed(member_for, missing):
    assert model.remaining({"days": 7, "events": 0}, NOW - member_for, 0, NOW) == (missing, 0)


@given(st.integers(0, 400), st.integers(0, 20), st.integers(0, 30), st.timedeltas(timedelta(0), 400 * DAY))
def test_who_waits_as_many_days_and_comes_to_as_many_events_as_remain_is_warm(days, events, attended, member_for):
    ask_after, joined_at = {"days": days, "events": events}, NOW - member_for
    left_days, left_events = model.remaining(ask_after, joined_at, attended, NOW)
    assert model.remaining(ask_after, joined_at, attended + left_events, NOW + left_days * DAY) == (0, 0)
    if left_days:
        assert model.remaining(ask_after, joined_at, attended, NOW + (left_days - 1) * DAY)[0] == 1
    if left_events:
        assert model.remaining(ask_after, joined_at, attended + left_events - 1, NOW)[1] == 1


def test_who_is_not_warm_yet_is_told_exactly_what_is_missing():
    with pytest.raises(model.WarmUpNeeded) as refused:
        model.ask(group_for(), "ben", {}, (3, 1), NOW)
    assert refused.value.extensions == {"remaining": {"days": 3, "events": 1}}
    assert (
        refused.value.detail == "Before you ask, this group wants 3 more days of membership and 1 more event attended."
    )
    with pytest.raises(model.WarmUpNeeded, match="wants 2 more events attended"):
        model.ask(group_for(), "ben", {}, (0, 2), NOW)


def test_only_members_of_a_living_group_ask_and_offer():
    with pytest.raises(NotAllowed):
        model.ask(group_for(role=None), "ben", {}, (0, 0), NOW)
    with pytest.raises(NotAllowed):
        model.offer(group_for(role=None), asked(), "chris", "Me", NOW)
    with pytest.raises(AlreadyArchived):
        model.offer(group_for(status="archived"), asked(), "chris", "Me", NOW)


def test_an_offer_takes_a_version_of_its_ask():
    after, offer = model.offer(group_for(), asked(), "chris", "I have one", NOW + DAY)
    assert (after.offers, after.version, after.updated_at) == (1, 2, NOW + DAY)
    assert (offer.person, offer.body, offer.ask) == ("chris", "I have one", after.id)


def test_nobody_offers_to_themselves_nor_to_what_is_resolved():
    with pytest.raises(model.OwnAsk):
        model.offer(group_for(), asked(), "ben", "Me", NOW)
    with pytest.raises(model.AlreadyResolved):
        model.offer(group_for(), asked(status="resolved"), "chris", "Me", NOW)


def test_the_asker_resolves_and_thanks():
    after, newly = model.change(group_for(), asked(), "ben", "resolved", ["chris", "dora", "chris"], NOW + DAY)
    assert (after.status, after.thanked, after.resolved_at, after.version) == (
        "resolved",
        ["chris", "dora"],
        NOW + DAY,
        2,
    )
    assert newly == ["chris", "dora"]
    again, newly = model.change(group_for(), after, "ben", "resolved", ["chris", "eve"], NOW + 2 * DAY)
    assert (again.resolved_at, newly) == (NOW + DAY, ["eve"])
    assert model.is_told(after, again, newly)


def test_thanks_on_an_open_ask_are_told_when_it_is_resolved():
    before = asked()
    thanked, newly = model.change(group_for(), before, "ben", "open", ["chris"], NOW)
    assert not model.is_told(before, thanked, newly)
    resolved, newly = model.change(group_for(), thanked, "ben", "resolved", None, NOW)
    assert (model.is_told(thanked, resolved, newly), newly) == (True, ["chris"])


def test_a_change_that_changes_nothing_leaves_the_ask_as_it_is():
    before = asked(status="resolved", thanked=["chris"])
    assert model.change(group_for(), before, "ben", "resolved", ["chris"], NOW) == (before, [])


@pytest.mark.parametrize("role", ["organizer", "moderator"])
def test_who_moderates_may_resolve_but_not_thank(role):
    assert model.change(group_for(role), asked(), "ana", "resolved", None, NOW)[0].status == "resolved"
    with pytest.raises(NotAllowed):
        model.change(group_for(role), asked(), "ana", "resolved", ["chris"], NOW)


def test_another_member_changes_nothing():
    with pytest.raises(NotAllowed):
        model.change(group_for(), asked(), "chris", "resolved", None, NOW)


def test_only_others_who_help_are_thanked():
    assert model.helper(0, "chris", "psn_chris", "psn_ben") == "psn_chris"
    for person in (None, "psn_ben"):
        with pytest.raises(Invalid) as refused:
            model.helper(2, "x", person, "psn_ben")
        assert refused.value.extensions["errors"][0]["pointer"] == "/thanked/2"
