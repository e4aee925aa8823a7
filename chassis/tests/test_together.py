"""What waits for the same thing is decided together, in order, and nobody waits for a batch to fill."""

import eventlet
import pytest

from chassis.together import Together


def decide_all(together, items, key="event"):
    return [eventlet.spawn(together.do, key, item) for item in items]


def test_what_gathers_while_a_batch_is_decided_is_the_next():
    batches = []

    def decide(key, items):
        batches.append(items)
        eventlet.sleep(0.01)
        return [item * 10 for item in items]

    threads = decide_all(Together(decide, most=4), range(10))
    assert [thread.wait() for thread in threads] == [item * 10 for item in range(10)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_what_comes_within_the_time_to_gather_is_decided_with_the_first():
    batches = []

    def decide(key, items):
        batches.append(items)
        return items

    together = Together(decide, gather_seconds=0.05)
    first = decide_all(together, [1])
    eventlet.sleep(0.01)
    for thread in first + decide_all(together, [2, 3]):
        thread.wait()
    together.do("event", 4)
    assert batches == [[1, 2, 3], [4]]


def test_who_begins_goes_on_and_has_the_result_when_they_ask_for_it():
    begun = []

    def decide(key, items):
        begun.append(items)
        return [ValueError("odd") if item % 2 else item * 10 for item in items]

    together = Together(decide)
    even, odd = together.begin("event", 2), together.begin("event", 3)
    assert begun == []
    assert (even(), even()) == (20, 20)
    assert begun == [[2, 3]]
    with pytest.raises(ValueError, match="odd"):
        odd()


def test_different_keys_do_not_wait_for_each_other():
    started = []

    def decide(key, items):
        started.append(key)
        eventlet.sleep(0.05)
        return items

    together = Together(decide)
    threads = decide_all(together, [1], "a") + decide_all(together, [1], "b")
    eventlet.sleep(0.02)
    assert started == ["a", "b"]
    assert [thread.wait() for thread in threads] == [1, 1]
    assert together.waiting == {}


def test_an_exception_reaches_the_one_it_was_given_for():
    together = Together(lambda key, items: [ValueError("odd") if item % 2 else item for item in items])
    even, odd = decide_all(together, [2, 3])
    assert even.wait() == 2
    with pytest.raises(ValueError, match="odd"):
        odd.wait()


def test_an_exception_in_deciding_reaches_all_of_the_batch_and_the_next_batch_goes_on():
    def decide(key, items):
        if 1 in items:
            raise ValueError("all")
        return items

    together = Together(decide, most=2)
    threads = decide_all(together, [1, 2, 3])
    for thread in threads[:2]:
        with pytest.raises(ValueError, match="all"):
            thread.wait()
    assert threads[2].wait() == 3
