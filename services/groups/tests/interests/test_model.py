"""How interests count."""

from hypothesis import given
from hypothesis import strategies as st

from groups.interests.model import Change, difference, total

INTERESTS = st.sets(st.sampled_from("abcdef"))


@given(INTERESTS, INTERESTS)
def test_what_was_added_and_dropped_leads_from_before_to_after(before, after):
    added, dropped = difference(before, after)
    assert (before | set(added)) - set(dropped) == after
    assert not set(added) & set(dropped)


@given(st.lists(INTERESTS))
def test_counts_come_out_right_however_often_somebody_changed_their_mind(states):
    changes = []
    for before, after in zip([set(), *states], states, strict=False):
        added, dropped = difference(before, after)
        changes.append(Change("chg_1", "people", added, dropped))
    counts = total(changes)
    last = states[-1] if states else set()
    assert {name for name, by in counts.items() if by["people"]} == last
    assert all(by["people"] in (0, 1) for by in counts.values())


def test_groups_and_people_count_apart():
    counts = total([Change("1", "people", ["a"]), Change("2", "groups", ["a", "b"]), Change("3", "groups", ["a"])])
    assert {name: dict(by) for name, by in counts.items()} == {"a": {"people": 1, "groups": 2}, "b": {"groups": 1}}
