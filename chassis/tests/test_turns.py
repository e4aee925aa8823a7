"""Units of work that would meet go one after another, in order, and nobody keeps a turn that is over."""

import urllib.request

import eventlet
import pytest

from chassis.api_client import Person
from chassis.turns import TooLong, Turns

ANA = Person("psn_ana", "ana", "Ana")


def test_those_with_the_same_key_go_one_after_another_in_the_order_in_which_they_came():
    turns, seen = Turns(), []

    def go(number):
        with turns.take("group"):
            seen.append(number)
            eventlet.sleep(0.001)
            seen.append(number)

    for one in [eventlet.spawn(go, number) for number in range(5)]:
        one.wait()
    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_those_with_other_keys_do_not_wait():
    turns = Turns()
    with turns.take("a"), turns.take("b", 0.01):
        pass


def test_a_turn_is_free_when_nobody_has_it_or_waits_for_it():
    turns = Turns()
    assert turns.free("group")
    with turns.take("group"):
        assert not turns.free("group")
        assert turns.free("other")
    assert turns.free("group")


def test_who_waited_too_long_or_failed_leaves_the_queue_to_the_others_and_no_trace():
    turns = Turns()
    with turns.take("group"), pytest.raises(TooLong), turns.take("group", 0.01):
        pass
    with pytest.raises(ZeroDivisionError), turns.take("group", 0.01):
        raise ZeroDivisionError
    with turns.take("group", 0.01):
        pass
    assert (turns._queues, turns._concerned) == ({}, {})


def retries(service):
    with urllib.request.urlopen(service.health + "/metrics", timeout=2) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(one.split()[1]) for one in lines if one.startswith("cg_transaction_retries_total "))


@pytest.fixture
def note(shared_notebook):
    return shared_notebook.api.post("/v1/notes", {"text": "0"}, as_=ANA).json()["id"]


@pytest.mark.parametrize("keys", [False, True], ids=["without key", "with idempotency key"])
def test_units_of_work_with_the_same_turn_never_meet_in_the_database(shared_notebook, note, keys):
    before = retries(shared_notebook)
    sent = [
        shared_notebook.api.send(
            "POST",
            f"/v1/notes/{note}/stars",
            {"text": "conflict" if number % 4 == 3 else str(number)},
            as_=ANA,
            **({"idempotency_key": f"{note}-{number}"} if keys else {}),
        )
        for number in range(12)
    ]
    answers = [shared_notebook.api.receive(one) for one in sent]
    assert [one.status for one in answers] == [201, 201, 201, 409] * 3
    assert sorted(one.json()["version"] for one in answers if one.status == 201) == list(range(2, 11))
    assert retries(shared_notebook) == before


def test_whose_turn_does_not_come_in_time_is_told_to_try_again(shared_notebook, note):
    sent = [
        shared_notebook.api.send("POST", f"/v1/notes/{note}/stars", {"text": "x"}, as_=ANA, seconds=2.0)
        for _ in range(60)
    ]
    answers = [shared_notebook.api.receive(one) for one in sent]
    assert {(one.status, one.status != 201 and one.problem) for one in answers} == {(201, False), (503, "unavailable")}
