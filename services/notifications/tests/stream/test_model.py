"""For what a person is woken: for all audiences they belong to, and for nothing more than few topics."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from notifications.audiences.model import Standing, answer, audiences_of, join, leave
from notifications.stream.model import topics_for, topics_of

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KITTENS = Standing("psn_ana", "grp_kittens", "grp_kittens")


def test_who_is_in_nothing_waits_for_what_is_told_them_alone():
    assert topics_of("psn_ana", [KITTENS, leave(join(KITTENS, 1, "member", NOW), 2)]) == ["person:psn_ana"]


def test_an_organizer_waits_for_what_each_role_hears():
    assert topics_of("psn_ana", [join(KITTENS, 1, "organizer", NOW)]) == [
        "group:grp_kittens",
        "moderators:grp_kittens",
        "organizers:grp_kittens",
        "person:psn_ana",
    ]


def test_all_events_of_a_group_are_one_topic():
    some = [Standing("psn_ana", f"evt_{number}", "grp_kittens") for number in range(50)]
    answered = [answer(one, 1, "going", None, NOW) for one in some]
    assert topics_of("psn_ana", answered) == ["events:grp_kittens", "person:psn_ana"]


STANDINGS = st.lists(
    st.tuples(st.sampled_from(["grp_a", "grp_b"]), st.sampled_from(["group", "evt_1", "evt_2"]), st.booleans()),
    unique_by=lambda one: one[:2],
)


@given(STANDINGS, st.sampled_from(["member", "moderator", "organizer"]))
def test_whoever_belongs_to_an_audience_is_woken_for_what_it_is_told(standings, role):
    own = []
    for group, to, present in standings:
        if to == "group":
            one = join(Standing("psn_ana", group, group), 1, role, NOW)
        else:
            one = answer(Standing("psn_ana", f"{group}_{to}", group), 1, "going", None, NOW)
        own.append(one if present else leave(one, 2))
    group_of = {one.to: one.group for one in own}
    topics = set(topics_of("psn_ana", own))
    for key in audiences_of("psn_ana", own):
        assert topics & set(topics_for([key], group_of.get(key.partition(":")[2])))
