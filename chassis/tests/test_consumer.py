"""Each message has its effect once; one that fails comes again later and holds up no other; what can never work is parked."""

import json
import signal
import time

import pytest

from chassis.testing import wait_until

pytestmark = pytest.mark.kills_nodes

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DELAYS = (0.2, 0.4, 0.8)


def is_settled(bus):
    """Whether nothing waits for the service any more, as far as the broker says."""
    queues = [bus.queue("inbox"), *(bus.queue(f"retry.{one}s") for one in DELAYS)]
    return not any(bus.count(one) for one in queues)


def waits_for(service):
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(service.health + "/health/ready", timeout=2) as answer:
            return json.loads(answer.read())["waiting_for"]
    except urllib.error.HTTPError as answer:
        return json.loads(answer.read())["waiting_for"]


def metric(service, line):
    import urllib.request

    with urllib.request.urlopen(service.health + "/metrics", timeout=2) as answer:
        for one in answer.read().decode().splitlines():
            if one.startswith(line + " "):
                return float(one.rpartition(" ")[2])
    return 0.0


def test_a_message_takes_effect_in_every_method_that_subscribes_to_it(listening):
    listening.tell("hello", subject="thg_1")
    wait_until(lambda: listening.effects() == ["hello"])
    wait_until(lambda: listening.database.latest.find_one({"_id": "thg_1", "text": "hello"}))
    wait_until(lambda: is_settled(listening))


def test_a_message_that_comes_twice_takes_effect_once(listening):
    for _ in range(20):
        listening.tell("hello", id="msg_1")
    listening.tell("last")
    wait_until(lambda: "last" in listening.effects())
    wait_until(lambda: is_settled(listening))
    assert sorted(listening.effects()) == ["hello", "last"]


def test_the_same_message_at_two_processes_at_once_takes_effect_once(bus, listen):
    listen(CG_MESSAGES_AT_ONCE="1")
    listen(CG_MESSAGES_AT_ONCE="1")
    for number in range(10):
        bus.tell(f"slow 0.1 {number}", id=f"msg_{number}")
        bus.tell(f"slow 0.1 {number}", id=f"msg_{number}")
    wait_until(lambda: len(set(bus.effects())) == 10, 20)
    wait_until(lambda: is_settled(bus))
    assert len(bus.effects()) == 10


def test_a_projection_keeps_the_newest_whatever_the_order(listening):
    for sequence in ("2", "10", "9", "1"):
        listening.tell(f"version {sequence}", subject="thg_versions", sequence=sequence)
    wait_until(lambda: len(listening.effects()) == 4)
    wait_until(lambda: is_settled(listening))
    newest = listening.database.latest.find_one({"_id": "thg_versions"})
    assert (newest["text"], newest["sequence"]) == ("version 10", 10)


def test_a_message_that_fails_comes_again_later_and_then_takes_effect_once(listening):
    message = listening.tell("fail 2")
    wait_until(lambda: listening.effects() == ["fail 2"], 20)
    wait_until(lambda: is_settled(listening))
    tries = listening.database.tries.find_one({"_id": message})
    first, second, third = tries["at"]
    assert tries["count"] == 3
    assert second - first >= 0.2
    assert third - second >= 0.4
    assert listening.count(listening.queue("parked")) == 0


def test_a_message_that_waits_to_be_tried_again_holds_up_no_other(bus, listen):
    listen(CG_MESSAGES_AT_ONCE="1")
    bus.tell("fail 3", subject="thg_1")
    for number in range(20):
        bus.tell(f"fine {number}", subject="thg_1")
    wait_until(lambda: len(bus.effects()) == 21, 20)
    assert bus.effects()[-1] == "fail 3"


def test_what_fails_every_time_is_parked_with_its_reason(listening, shared_listener):
    kind = f"commonground.{listening.told}"
    outcomes = [f'cg_messages_received_total{{outcome="{one}",type="{kind}"}}' for one in ("parked", "retry")]
    before = [metric(shared_listener, one) for one in outcomes]
    message = listening.tell("fail", subject="thg_failing", traceparent=TRACE)
    wait_until(lambda: listening.count(listening.queue("parked")) == 1, 20)
    (parked,) = listening.take(listening.queue("parked"))
    headers = parked.properties["application_headers"]
    assert parked.properties["message_id"] == message
    assert json.loads(parked.body)["data"] == {"text": "fail"}
    assert headers["cg-attempts"] == 4
    assert headers["cg-reason"] == "ValueError: cannot swallow that"
    assert headers["cg-consumer"] == f"{listening.name}.act"
    assert headers["cg-failed-at"] <= headers["cg-parked-at"]
    assert listening.database.tries.find_one({"_id": message})["count"] == 4
    assert listening.effects() == []
    # What could be done is done, once.
    assert listening.database.latest.find_one({"_id": "thg_failing"})["text"] == "fail"
    assert [metric(shared_listener, one) for one in outcomes] == [before[0] + 1, before[1] + 3]


UNREADABLE = [
    b"",
    b"not json",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"{}",
    b"[" * 100_000,
    b'{"specversion": "1.0", "id": "x", "source": "/s", "type": "t", "subject": "s", "sequence": 1e999}',
]


def test_what_cannot_be_read_is_parked_at_once(listening):
    for body in UNREADABLE:
        listening.put(body, message_id="msg_odd")
    listening.tell("fine")
    wait_until(lambda: listening.count(listening.queue("parked")) == len(UNREADABLE))
    parked = listening.take(listening.queue("parked"))
    assert {one.body or b"" for one in parked} == set(UNREADABLE)
    assert all(one.properties["application_headers"]["cg-reason"].startswith("cannot be read") for one in parked)
    wait_until(lambda: listening.effects() == ["fine"])


def test_a_message_without_an_id_of_its_own_gets_one_to_be_named_by(listening):
    listening.put(b"not json")
    wait_until(lambda: listening.count(listening.queue("parked")) == 1)
    assert listening.take(listening.queue("parked"))[0].properties["message_id"].startswith("unnamed_")


def test_data_that_lacks_what_is_needed_is_parked_at_once(listening):
    poor = [{}, {"text": 5}, [], None, "text"]
    for data in poor:
        listening.tell("", data=data)
    wait_until(lambda: listening.count(listening.queue("parked")) == len(poor))
    for one in listening.take(listening.queue("parked")):
        headers = one.properties["application_headers"]
        assert "its data lacks what is needed" in headers["cg-reason"]
        assert headers["cg-attempts"] == 1


def test_data_that_has_more_than_is_needed_is_fine(listening):
    listening.tell("", data={"text": "hello", "new": {"since": "today"}})
    wait_until(lambda: listening.effects() == ["hello"])


def test_the_content_type_is_no_reason_to_lose_a_message(listening):
    types = [None, "application/json", "application/cloudevents+json; charset=utf-8", "x/y"]
    for one in types:
        properties = {"content_type": one} if one else {}
        listening.put(json.dumps(listening.envelope(str(one))).encode(), content_encoding="utf-8", **properties)
    wait_until(lambda: set(listening.effects()) == {str(one) for one in types})


def test_nothing_that_came_along_as_a_header_is_passed_on(listening):
    envelope = listening.envelope("fail")
    headers = {"nameko.call_id_stack": ["x"], "x-death": [{"count": 1}], "traceparent": TRACE, "audience": "group"}
    listening.put(json.dumps(envelope).encode(), message_id=envelope["id"], application_headers=headers)
    wait_until(lambda: listening.count(listening.queue("parked")) == 1, 20)
    found = listening.take(listening.queue("parked"))[0].properties["application_headers"]
    written_by_us_or_the_broker = {name for name in found if name.startswith("cg-")} | {"x-delivery-count"}
    assert found.keys() - written_by_us_or_the_broker == {"traceparent", "audience"}
    assert found["traceparent"] == TRACE


def test_a_trace_goes_on_through_a_message_and_what_it_causes(listening):
    queue = listening.hear()
    listening.tell("echo back", traceparent=TRACE)
    wait_until(lambda: listening.count(queue) == 2)
    _, echo = listening.take(queue)
    assert json.loads(echo.body)["data"] == {"text": "back"}
    assert json.loads(echo.body)["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert set(echo.properties["application_headers"]) == {"traceparent", "audience"}


def test_messages_of_one_subject_run_one_after_another_and_others_beside_them(listening):
    started = time.monotonic()
    for number in range(4):
        listening.tell(f"slow 0.3 same {number}", subject="thg_same")
    for number in range(8):
        listening.tell(f"slow 0.3 other {number}")
    wait_until(lambda: len(listening.effects()) == 12, 20)
    assert 1.2 <= time.monotonic() - started < 3
    assert [text for text in listening.effects() if "same" in text] == [
        f"slow 0.3 same {number}" for number in range(4)
    ]


def test_only_so_many_messages_are_taken_at_a_time(bus, listen):
    listen(CG_MESSAGES_AT_ONCE="2")
    for number in range(6):
        bus.tell(f"slow 1 {number}")
    wait_until(lambda: bus.count(bus.queue("inbox")) == 4)
    wait_until(lambda: len(bus.effects()) == 2, 3)
    assert bus.count(bus.queue("inbox")) >= 2


@pytest.mark.parametrize("point", [pytest.param("die-before", marks=pytest.mark.slow), "die-after"])
def test_killed_on_either_side_of_the_commit_a_message_takes_effect_once(bus, listen, point):
    first = listen(LISTENER_RETRY="20")
    bus.tell(point)
    assert first.process.wait(20) == -signal.SIGKILL
    # The transaction of the killed process holds on to the record until the database ends it: that takes up to 10 s here.
    listen(LISTENER_RETRY="20")
    wait_until(lambda: bus.effects() == [point], 40)
    wait_until(lambda: not bus.count(bus.queue("inbox")) + bus.count(bus.queue("retry.20s")))
    assert bus.effects() == [point]
    assert bus.count(bus.queue("parked")) == 0


def test_on_sigterm_what_is_in_flight_is_finished_and_settled_and_the_rest_goes_back(bus, listen):
    service = listen(CG_MESSAGES_AT_ONCE="2")
    for number in range(5):
        bus.tell(f"slow 2 {number}")
    wait_until(lambda: bus.count(bus.queue("inbox")) == 3)
    assert service.stop() == 0
    assert len(bus.effects()) == 2
    wait_until(lambda: bus.count(bus.queue("inbox")) == 3)


@pytest.mark.slow
def test_on_sigterm_with_the_broker_down_the_process_ends(bus, listen):
    service = listen(CG_DRAIN_SECONDS="5")
    bus.let_the_broker_remember(bus.queue("inbox"), bus.queue("parked"))
    bus.tell("slow 1")
    wait_until(lambda: bus.count(bus.queue("inbox")) == 0)
    time.sleep(0.2)
    bus.broker.kill()
    started = time.monotonic()
    service.process.send(signal.SIGTERM)
    service.process.wait(15)
    assert time.monotonic() - started < 8
    assert bus.effects() == ["slow 1"]
    bus.broker.start()
    listen()
    wait_until(lambda: is_settled(bus), 20)
    assert bus.effects() == ["slow 1"]


@pytest.mark.slow
def test_a_broker_that_restarts_while_messages_are_in_flight_costs_none_and_repeats_none(bus, listen):
    service = listen()
    bus.let_the_broker_remember(bus.queue("inbox"), bus.queue("parked"))
    for number in range(10):
        bus.tell(f"slow 1 {number}")
    wait_until(lambda: bus.count(bus.queue("inbox")) == 0)
    bus.broker.kill()
    bus.broker.start()
    wait_until(lambda: not waits_for(service), 30)
    bus.tell("fine")
    # What a service has in hand counts as in no queue.
    wait_until(lambda: len(bus.effects()) == 11, 20)
    wait_until(lambda: is_settled(bus))
    assert sorted(bus.effects()) == sorted(["fine", *(f"slow 1 {number}" for number in range(10))])
    assert service.process.is_running


def test_a_handler_that_keeps_the_cpu_past_the_heartbeat_loses_the_connection_and_nothing_else(bus, listen):
    service = listen(LISTENER_HEARTBEAT="1")
    bus.tell("toil 5")
    wait_until(lambda: bus.effects() == ["toil 5"], 20)
    wait_until(lambda: not waits_for(service), 20)
    bus.tell("fine")
    wait_until(lambda: len(bus.effects()) == 2)
    wait_until(lambda: is_settled(bus))
    assert bus.effects() == ["toil 5", "fine"]
    assert service.process.is_running


def test_a_database_that_is_away_for_a_while_costs_no_message(bus, listen, database):
    service = listen()
    bus.tell("before")
    wait_until(lambda: bus.effects() == ["before"])
    database.kill()
    for number in range(3):
        bus.tell(f"during {number}")
    wait_until(lambda: not bus.count(bus.queue("inbox")), 20)
    database.start()
    wait_until(lambda: is_settled(bus), 40)
    parked = bus.count(bus.queue("parked"))
    wait_until(lambda: len(bus.effects()) == 4 - parked, 20)
    assert service.process.is_running


def test_it_waits_for_the_exchange_that_the_operator_declares_and_says_so(bus, listen):
    channel = bus.connection.channel()
    channel.exchange_delete("commonground.messages")
    try:
        service = listen(wait=False)
        wait_until(lambda: "python -m chassis topology" in _said(service), 20)
    finally:
        bus.declare()
    wait_until(lambda: not waits_for(service), 20)
    bus.tell("hello")
    wait_until(lambda: bus.effects() == ["hello"])


def _said(service):
    try:
        return str(waits_for(service).get("messages"))
    except OSError:
        return ""


def test_a_queue_that_was_declared_otherwise_is_fatal_and_said_clearly(bus, listen):
    bus.connection.channel().queue_declare(
        bus.queue("parked"),
        durable=True,
        auto_delete=False,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": 7},
    )
    service = listen(wait=False)
    assert service.process.wait(20) == 78
    said = service.process.tail()
    assert f"queue {bus.queue('parked')} stands on the broker with x-delivery-limit = '7'" in said
    assert "delete the queue" in said
    assert "Traceback" not in said


def test_a_message_for_a_newer_release_goes_round_until_that_one_takes_it(bus, listen):
    listen()
    newer = listen(LISTENER_RELEASE="new")
    newer.stop()
    shown = bus.envelope("look", type=f"commonground.{bus.name}.thing.shown.v1")
    channel = bus.connection.channel()
    exchange = f"commonground.{bus.name}"
    import amqp

    channel.basic_publish(
        amqp.Message(json.dumps(shown).encode(), message_id=shown["id"]), exchange, f"{bus.name}.thing.shown.v1"
    )
    wait_until(lambda: bus.count(bus.queue("retry.0.4s")) + bus.count(bus.queue("retry.0.2s")) == 1)
    listen(LISTENER_RELEASE="new")
    wait_until(lambda: bus.database.effects.find_one({"method": "see"}) or is_settled(bus), 20)


def test_a_message_that_nothing_subscribes_to_any_more_is_let_go_in_the_end(bus, listen):
    listen(LISTENER_RELEASE="new").stop()
    service = listen()
    shown = bus.envelope("look", type=f"commonground.{bus.name}.thing.shown.v1")
    bus.put(json.dumps(shown).encode(), message_id=shown["id"])
    line = 'cg_messages_received_total{outcome="ignored",type="unknown"}'
    wait_until(lambda: metric(service, line) == 1, 20)
    assert is_settled(bus)
    assert bus.count(bus.queue("parked")) == 0


def test_who_listens_to_everything_hears_each_message_once_as_it_came_after_those_who_listen_to_its_type(bus, listen):
    listen(LISTENER_RELEASE="curious")
    unknown = bus.envelope("nobody else", type=f"commonground.{bus.name}.thing.shown.v1")
    for _ in range(2):
        bus.put(json.dumps(unknown).encode(), message_id=unknown["id"])
    told = bus.tell("fail 1")
    wait_until(lambda: bus.effects() == ["fail 1"], 20)
    wait_until(lambda: is_settled(bus))
    heard = {one["message"]: one["raw"] for one in bus.database.effects.find({"method": "hear"})}
    assert heard[unknown["id"]] == json.dumps(unknown).encode()
    assert sorted(heard) == sorted([unknown["id"], told])
    assert bus.database.effects.count_documents({"method": "hear"}) == 2
