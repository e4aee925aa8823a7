"""The rules of promotions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.problems import NotAllowed
from groups.groups.model import AlreadyArchived, Viewer, found
from groups.promotions import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def group_for(role="organizer", **changes):
    group = found({"name": "Kittens", "visibility": "public"}, "kittens", "ana", NOW)
    return replace(group, viewer=Viewer(role, "active"), **changes)


def test_organizers_promote_their_public_group():
    model.check_promotable(group_for())


@pytest.mark.parametrize("role", ["member", "moderator"])
def test_nobody_else_does(role):
    with pytest.raises(NotAllowed):
        model.check_promotable(group_for(role))


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_what_only_some_may_find_is_not_promoted(visibility):
    with pytest.raises(model.NotPublic):
        model.check_promotable(group_for(visibility=visibility))


def test_an_archived_group_is_not_promoted():
    with pytest.raises(AlreadyArchived):
        model.check_promotable(group_for(status="archived"))


def test_a_group_is_promoted_once_in_seven_days():
    week = timedelta(days=7)
    model.check_due(None, NOW)
    model.check_due(NOW - week, NOW)
    with pytest.raises(model.PromotedRecently) as refused:
        model.check_due(NOW - week + SECOND, NOW)
    assert refused.value.extensions == {"next_at": "2026-11-23T18:00:01.000Z"}


def test_nobody_receives_a_second_promotion_within_a_day():
    day = timedelta(days=1)
    never, long_ago, today = (
        {"_id": 1},
        {"_id": 2, "promoted_at": NOW - day},
        {"_id": 3, "promoted_at": NOW - day + SECOND},
    )
    assert model.divide([today, long_ago, never], NOW) == ([long_ago, never], [today])


def test_who_turns_out_not_to_be_reached_is_not_counted():
    promotion = model.promote(group_for(), "ana", "Come!", NOW)
    promotion.reach = 1000
    promotion.note(in_turn=500, reached=450, held_back=30)
    assert (promotion.reach, promotion.held_back, promotion.taken, promotion.sent) == (950, 30, 1, 1)
    promotion.note(in_turn=500, reached=0, held_back=500)
    assert (promotion.reach, promotion.held_back, promotion.taken, promotion.sent) == (450, 530, 2, 1)
