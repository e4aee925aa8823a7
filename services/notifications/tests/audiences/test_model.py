"""Who belongs to which audience, whatever way messages arrive."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from notifications.audiences import model
from notifications.audiences.model import ALWAYS, Standing

MONDAY = datetime(2026, 11, 23, 18, tzinfo=UTC)
ANA = "psn_ana"
KITTENS = "grp_kittens"
BRUNCH = "evt_brunch"
STRANGER = Standing(ANA, KITTENS, KITTENS)


def at(hours):
    return MONDAY + timedelta(hours=hours)


def of(*standings, **options):
    return model.audiences_of(ANA, standings, **options)


def test_everybody_belongs_to_their_own_audience_since_ever():
    assert of() == {"person:psn_ana": ALWAYS}


def test_a_member_belongs_to_the_group_since_they_joined():
    joined = model.join(STRANGER, 4, "member", at(1))
    assert of(joined) == {"person:psn_ana": ALWAYS, "group:grp_kittens": at(1)}


def test_who_left_belongs_no_more():
    left = model.leave(model.join(STRANGER, 4, "organizer", at(1)), 5)
    assert of(left) == {"person:psn_ana": ALWAYS}
    assert model.left_groups([left]) == [KITTENS]


def test_who_joins_again_belongs_since_then():
    again = model.join(model.leave(model.join(STRANGER, 4, "member", at(1)), 5), 9, "member", at(7))
    assert of(again)["group:grp_kittens"] == at(7)
    assert model.left_groups([again]) == []


def test_an_organizer_belongs_to_the_organizers_since_they_got_the_role():
    raised = model.take_role(model.join(STRANGER, 4, "member", at(1)), 6, "organizer", at(3))
    assert of(raised)["group:grp_kittens"] == at(1)
    assert of(raised)["organizers:grp_kittens"] == at(3)


def test_moderators_are_no_organizers_but_organizers_moderate_too():
    organizer = model.join(STRANGER, 1, "organizer", at(0))
    stepped_down = model.take_role(organizer, 6, "moderator", at(3))
    assert "organizers:grp_kittens" not in of(stepped_down)
    assert of(stepped_down)["moderators:grp_kittens"] == at(3)
    assert of(organizer)["moderators:grp_kittens"] == at(0)


def test_a_member_without_a_role_moderates_nothing():
    member = model.take_role(model.join(STRANGER, 1, "organizer", at(0)), 6, "member", at(3))
    assert list(of(member)) == ["person:psn_ana", "group:grp_kittens"]


def test_a_role_before_the_joining_is_known_makes_nobody_a_member():
    early = model.take_role(STRANGER, 6, "organizer", at(3))
    assert of(early) == {"person:psn_ana": ALWAYS}
    known = model.join(early, 4, "member", at(1))
    assert of(known)["group:grp_kittens"] == at(1)
    assert of(known)["organizers:grp_kittens"] == at(3)


def test_going_waitlisted_and_maybe_are_one_audience_since_the_first_answer():
    standing = Standing(ANA, BRUNCH, KITTENS)
    standing = model.answer(standing, 2, "waitlisted", None, at(1))
    standing = model.answer(standing, 3, "maybe", "waitlisted", at(2))
    standing = model.answer(standing, 4, "going", "maybe", at(3))
    assert of(standing)["event:evt_brunch"] == at(1)


def test_who_does_not_come_hears_no_more_of_the_event():
    standing = model.answer(Standing(ANA, BRUNCH, KITTENS), 2, "going", None, at(1))
    standing = model.answer(standing, 3, "not_going", "going", at(2))
    assert "event:evt_brunch" not in of(standing)


def test_who_is_going_belongs_to_those_alone_since_they_are():
    standing = Standing(ANA, BRUNCH, KITTENS)
    standing = model.answer(standing, 2, "waitlisted", None, at(1))
    assert "going:evt_brunch" not in of(standing)
    standing = model.promote(standing, 3, at(2))
    assert of(standing) == {"person:psn_ana": ALWAYS, "event:evt_brunch": at(1), "going:evt_brunch": at(2)}
    brings_a_guest = model.answer(standing, 4, "going", "going", at(3))
    assert of(brings_a_guest)["going:evt_brunch"] == at(2)
    for status in ("maybe", "waitlisted", "not_going"):
        assert "going:evt_brunch" not in of(model.answer(standing, 5, status, "going", at(4)))


def test_one_kind_of_audience_can_be_asked_for():
    organizer = model.join(STRANGER, 1, "organizer", at(0))
    assert list(of(organizer, kind="organizers")) == ["organizers:grp_kittens"]
    assert list(of(organizer, kind="person")) == list(of(organizer, kind="people")) == ["person:psn_ana"]


MEMBER = st.tuples(st.sampled_from(["join", "leave", "role"]), st.sampled_from(["organizer", "moderator", "member"]))
STATUS = st.sampled_from(["going", "waitlisted", "maybe", "not_going"])


@st.composite
def arrivals(draw, items):
    """The numbers of messages as they arrive: each at least once, in any order."""
    numbers = list(range(len(items)))
    return draw(st.permutations(numbers + draw(st.lists(st.sampled_from(numbers), max_size=5)))) if numbers else []


@given(st.data(), st.lists(MEMBER, max_size=8))
def test_messages_about_a_member_make_the_same_standing_in_whatever_order_they_arrive(data, history):
    def heard(standing, number):
        what, role = history[number]
        match what:
            case "join":
                return model.join(standing, number, role, at(number))
            case "role":
                return model.take_role(standing, number, role, at(number))
            case _:
                return model.leave(standing, number)

    in_order = arrived = STRANGER
    for number in range(len(history)):
        in_order = heard(in_order, number)
    for number in data.draw(arrivals(history)):
        arrived = heard(arrived, number)
    assert arrived == in_order


@given(st.data(), st.lists(STATUS, max_size=8))
def test_answers_make_the_same_standing_in_whatever_order_they_arrive(data, history):
    was = [None, *history]
    arrived = Standing(ANA, BRUNCH, KITTENS)
    for number in data.draw(arrivals(history)):
        if (was[number], history[number]) == ("waitlisted", "going"):
            arrived = model.promote(arrived, number, at(number))
        else:
            arrived = model.answer(arrived, number, history[number], was[number], at(number))
    answered = bool(history) and history[-1] in model.ANSWERED
    assert arrived.present == answered
    if answered:
        changes = [
            number
            for number, (before, now) in enumerate(pairwise(was))
            if (before in model.ANSWERED) != (now in model.ANSWERED)
        ]
        assert arrived.since == at(changes[-1])
    going = [number for number, (before, now) in enumerate(pairwise(was)) if now == "going" != before]
    is_going = bool(history) and history[-1] == "going"
    assert of(arrived).get("going:evt_brunch") == (at(going[-1]) if is_going else None)
