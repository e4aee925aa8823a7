"""Ids name their kind and sort by creation."""

from datetime import UTC, datetime, timedelta

from chassis.ids import first_id_at, id_after, made_at, new_id


def test_ids_of_one_process_sort_by_creation():
    made = [new_id("grp") for _ in range(2000)]
    assert made == sorted(set(made))


def test_an_id_tells_when_it_was_made():
    assert abs(made_at(new_id("grp")) - datetime.now(UTC)) < timedelta(seconds=1)


def test_the_first_id_of_a_moment_is_a_bound_for_those_made_after():
    before = datetime.now(UTC)
    assert first_id_at("grp", before) <= new_id("grp") < first_id_at("grp", before + timedelta(minutes=1))


def test_an_id_follows_one_that_a_clock_made_which_is_ahead():
    ahead = first_id_at("ntc", datetime.now(UTC) + timedelta(minutes=1))
    one = id_after(ahead, "ntc")
    assert ahead < one < id_after(one, "ntc")
    assert id_after("", "ntc") < ahead
