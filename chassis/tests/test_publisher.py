"""Which messages have arrived, by confirms that come in any order, one by one or many at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.publisher import Flight


@given(st.data())
def test_a_flight_has_landed_when_every_message_is_confirmed_and_not_before(data):
    size, first = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 100))
    flight = Flight(first, [f"m{number}" for number in range(size)])
    open_tags = set(range(first, first + size))
    refused = set()
    while open_tags:
        tag, multiple, nack = (
            data.draw(st.sampled_from(sorted(open_tags))),
            data.draw(st.booleans()),
            data.draw(st.booleans()),
        )
        settled = {one for one in open_tags if one <= tag} if multiple else {tag}
        refused |= settled if nack else set()
        open_tags -= settled
        assert flight.settle(tag, multiple, nack) == (not open_tags)
    assert set(flight.refused) == {f"m{tag - first}" for tag in refused}


def test_a_confirm_for_several_flights_settles_each_as_far_as_it_goes():
    early, late = Flight(1, ["a", "b"]), Flight(3, ["c", "d"])
    assert early.settle(3, multiple=True)
    assert not late.settle(3, multiple=True)
    assert late.settle(4, multiple=False)


def test_a_lost_connection_is_raised_where_one_waits():
    flight = Flight(1, ["a"])
    flight.land(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        flight.wait()
