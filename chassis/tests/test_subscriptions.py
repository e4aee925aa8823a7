"""How a method runs for a message: again at once where transactions met, once where it was done before."""

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError, fields
from pymongo.errors import OperationFailure

from chassis import inbox, tracing
from chassis.messages import Received
from chassis.schemas import Tolerant
from chassis.subscriptions import MEETINGS, Subscription

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Told(Tolerant):
    text = fields.String(required=True)


@pytest.fixture
def received():
    now = datetime.now(UTC)
    return Received("msg_1", "/services/x", "t", "s", 1, now, "public", {"text": "a", "more": 1}, TRACE, now)


@pytest.fixture
def run(received):
    """Run a function for the message; gives what it failed with, and how often it ran."""

    def running(function):
        runs = []

        def counted(service, message):
            runs.append(message)
            function(len(runs))

        return Subscription("x.thing.told.v1", data=Told).run(counted, None, received), len(runs)

    return running


def met():
    return OperationFailure("met", 112, {"errorLabels": ["TransientTransactionError"]})


def test_what_was_done_before_is_success(run):
    def function(turn):
        raise inbox.AlreadyDone

    assert run(function) == (None, 1)


def test_a_transaction_that_met_another_one_runs_again_at_once(run):
    def function(turn):
        if turn < 4:
            raise met()

    assert run(function) == (None, 4)


def test_one_that_meets_another_each_time_gives_up_for_now(run):
    def function(turn):
        raise met()

    fault, runs = run(function)
    assert isinstance(fault, OperationFailure)
    assert runs == MEETINGS + 1


def test_any_other_fault_is_handed_back(run):
    def function(turn):
        raise ValueError("no")

    fault, runs = run(function)
    assert (str(fault), runs) == ("no", 1)


def test_it_runs_as_part_of_the_messages_trace(run):
    seen = []
    run(lambda turn: seen.append(tracing.current()))
    assert seen[0].split("-")[1] == TRACE.split("-")[1]


def test_data_is_what_the_schema_names_and_nothing_else(received):
    assert Subscription("x.thing.told.v1", data=Told).load(received) == {"text": "a"}
    received.data.pop("text")
    with pytest.raises(ValidationError):
        Subscription("x.thing.told.v1", data=Told).load(received)
