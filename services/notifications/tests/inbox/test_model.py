"""What a person sees, and what counts as read."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chassis.ids import first_id_at
from notifications.audiences.model import ALWAYS
from notifications.inbox import model
from notifications.inbox.model import MOST_MARKS, Reader, View

MONDAY = datetime(2026, 11, 23, 18, tzinfo=UTC)
NEW = Reader("psn_ana")


def notice(minute):
    return first_id_at("ntc", MONDAY + timedelta(minutes=minute))


def later(minutes):
    return MONDAY + timedelta(minutes=minutes)


def test_all_up_to_a_notice_is_read_and_nothing_after_it():
    reader = model.read_up_to(NEW, notice(5), later(9))
    assert reader.has_read(notice(5))
    assert reader.has_read(notice(1))
    assert not reader.has_read(notice(6))


def test_reading_up_to_an_older_notice_changes_nothing():
    reader = model.read_up_to(NEW, notice(5), later(9))
    assert model.read_up_to(reader, notice(2), later(9)) == reader


def test_nobody_can_have_read_what_is_yet_to_come():
    reader = model.read_up_to(NEW, "ntc_" + "7" + "Z" * 25, MONDAY)
    assert not reader.has_read(notice(2))


def test_single_notices_are_read_by_themselves():
    reader = model.read(NEW, [notice(3), notice(5)])
    assert [minute for minute in range(7) if reader.has_read(notice(minute))] == [3, 5]


def test_what_is_covered_by_up_to_takes_no_room():
    reader = model.read_up_to(model.read(NEW, [notice(3), notice(5)]), notice(4), later(9))
    assert reader.marks == {notice(5)}


def test_beyond_the_most_marks_the_oldest_become_one_bound():
    reader = model.read(NEW, [notice(2 * number) for number in range(MOST_MARKS + 3)])
    assert len(reader.marks) == MOST_MARKS
    assert reader.up_to == notice(4)
    assert reader.has_read(notice(0))
    assert reader.has_read(notice(3))  # passed over by more than five hundred read after it
    assert not reader.has_read(notice(7))


STEP = st.one_of(
    st.tuples(st.just("up_to"), st.integers(0, 60)),
    st.tuples(st.just("ids"), st.lists(st.integers(0, 60), max_size=8)),
)


@given(st.lists(STEP, max_size=12))
def test_what_was_read_stays_read_and_nothing_else_is(steps):
    reader, expected = NEW, set()
    for what, given_ in steps:
        if what == "up_to":
            reader = model.read_up_to(reader, notice(given_), later(60))
            expected |= set(range(given_ + 1))
        else:
            reader = model.read(reader, [notice(minute) for minute in given_])
            expected |= set(given_)
        assert {minute for minute in range(61) if reader.has_read(notice(minute))} == expected


def test_a_view_has_what_happened_since_one_belongs_whenever_it_was_posted():
    view = View({"group:grp_a": later(10)}, person="psn_ana")
    assert view.sees(notice(99), ["group:grp_a"], later(10))
    assert not view.sees(notice(99), ["group:grp_a"], later(9))


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 99), min_size=1), st.integers(0, 99))
def test_floors_are_below_all_that_a_view_has_and_name_each_audience_once(since, read):
    reader = model.read_up_to(NEW, notice(read), later(99))
    view = View({name: later(minute) for name, minute in since.items()}, person="psn_ana", unread_of=reader)
    floors = view.floors()
    assert sorted(name for names in floors.values() for name in names) == sorted(since)
    assert min(floors) == view.floor()
    for floor, names in floors.items():
        for name in names:
            for minute in range(100):
                if view.sees(notice(minute), [name], later(minute)):
                    assert notice(minute) > floor


def test_ones_own_audience_has_no_floor():
    assert View({"person:psn_ana": ALWAYS}, person="psn_ana").floors() == {"": ["person:psn_ana"]}
