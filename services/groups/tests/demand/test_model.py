"""When those who watch for the same are told."""

from hypothesis import given
from hypothesis import strategies as st

from groups.demand.model import Demand, are_levels, level_reached


def demand(watchers, told=0):
    return Demand("dmd_1", "tea", ["tea"], watchers, told, 1)


def test_they_are_told_at_each_level_once():
    levels = [3, 10]
    assert [level_reached(demand(n), levels) for n in (1, 2, 3, 4)] == [None, None, 3, 3]
    assert [level_reached(demand(n, told=3), levels) for n in (3, 4, 9, 10)] == [None, None, None, 10]
    assert level_reached(demand(50, told=10), levels) is None


def test_without_levels_they_are_never_told():
    assert level_reached(demand(1000), []) is None


def test_levels_rise():
    assert are_levels([3, 10, 30])
    assert are_levels([])
    assert not are_levels([0, 3])
    assert not are_levels([3, 3])
    assert not are_levels([10, 3])


@given(st.lists(st.integers(1, 50), unique=True).map(sorted), st.lists(st.sampled_from([1, -1]), max_size=200))
def test_whoever_comes_and_goes_no_level_is_told_twice(levels, steps):
    present, told, heard = 0, 0, []
    for step in steps:
        present = max(0, present + step)
        if step > 0 and (level := level_reached(demand(present, told), levels)) is not None:
            told = level
            heard.append(level)
    assert heard == sorted(set(heard))
    assert set(heard) <= set(levels)
