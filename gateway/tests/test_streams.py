"""Streams stay open, tell each thing once and in order, and harm nobody; on real gateways and the real broker."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time

import amqp
import pytest

from chassis.connection import close_quietly, connect
from chassis.event_client import EventClient
from chassis.testing import wait_until
from chassis.topology import live_of

from .conftest import JSON, route

pytestmark = pytest.mark.kills_nodes

STREAM = {"event": "thing", "follow": "follow", "topics": "topics", "ticket": "ticket"}
ROUTES = [{**route("GET", "/v1/stream", "open", "signed-in"), "stream": STREAM}, route("GET", "/v1/things", "list")]


class Teller:
    """What a service tells on a stream: to each person what was told them, in the order of ids."""

    def __init__(self, shelf, uri):
        self.shelf = shelf
        self.told: list[tuple[str, str, str]] = []
        self.topics: dict[str, set[str]] = {}
        self.tickets: dict[str, str] = {}
        self.connection = connect(uri, "teller")
        self.channel = self.connection.channel()
        self.channel.exchange_declare(live_of(shelf.name), "direct", durable=True, auto_delete=False)
        self.exchange = live_of(shelf.name)
        shelf.change(routes=ROUTES)
        shelf.answers |= {one: getattr(self, one) for one in ("open", "follow", "ticket")} | {"topics": self.waits_for}

    def tell(self, topic, data, wake=True):
        """Tell those who wait for a topic, and wake them."""
        self.told.append((f"thg_{len(self.told) + 1:08d}", topic, data))
        if wake:
            self.wake("news", topic)
        return self.told[-1][0]

    def wake(self, kind, *topics):
        headers = {"CC": list(topics[1:])}
        wake = amqp.Message(json.dumps(topics), type=kind, application_headers=headers)
        self.channel.basic_publish(wake, exchange=self.exchange, routing_key=topics[0])

    def of(self, person):
        return {f"person:{person}"} | self.topics.get(person, set())

    @property
    def last(self):
        return self.told[-1][0] if self.told else ""

    def open(self, head, body):
        person, after = head["caller"]["id"], head["last_event_id"]
        if after == "nonsense":
            return 400, {"Content-Type": "application/problem+json"}, b'{"status": 400}'
        # First how far it looks, then for what: what is told to a new place meanwhile is left to the next question.
        last = self.last
        after = last if after is None else after
        topics = self.of(person)
        found = [(id_, data) for id_, topic, data in self.told if after < id_ <= last and topic in topics]
        page = found[:3]
        return self._answer(
            topics=sorted(topics),
            items=[{"id": id_, "data": json.dumps(data)} for id_, data in page],
            after=page[-1][0] if len(found) > 3 else max(after, last),
            more=len(found) > 3,
        )

    def follow(self, head, body):
        asked = json.loads(body)
        after = self.last if asked["after"] is None else asked["after"]
        until = asked["until"] or self.last
        new = [one for one in self.told if after < one[0] <= until]
        return self._answer(
            until=max(after, until),
            more=False,
            topics=sorted({topic for _, topic, _ in new}),
            items=[
                {
                    "id": id_,
                    "data": json.dumps(data),
                    "people": [one for one in asked["people"] if topic in self.of(one)],
                }
                for id_, topic, data in new
            ],
        )

    def waits_for(self, head, body):
        return self._answer(topics={one: sorted(self.of(one)) for one in json.loads(body)["people"]})

    def ticket(self, head, body):
        person = self.tickets.pop(json.loads(body)["ticket"], None)
        caller = {"id": person, "handle": "x", "display_name": "X", "scopes": ["read"], "session": f"ses_{person}"}
        return self._answer(caller=caller if person else None)

    @staticmethod
    def _answer(**content):
        return 200, JSON, json.dumps(content).encode()


@pytest.fixture(scope="module")
def teller(topology, shelf):
    teller = Teller(shelf, topology.uri)
    yield teller
    close_quietly(teller.connection)


@pytest.fixture(scope="module")
def door(teller, door):
    """The gateway, knowing that there is a stream."""
    teller.shelf.announce()
    wait_until(lambda: door.get("/v1/stream").status_code == 401)
    return door


@pytest.fixture
def listen(teller, door):
    """Open a stream as somebody, at the module's gateway or another one; it is closed at the end."""
    opened = []

    def listen_(person, last_id="", at=None, session=None, **options):
        token = teller.shelf.token(session or f"ses_{person}", sub=person, **options)
        client = EventClient((at or door).address, token, last_id)
        opened.append(client)
        assert client.status == 200, client.body
        client.wait_comments(1)
        return client

    yield listen_
    for one in opened:
        one.close()


def data(client):
    return [one.json() for one in client.events]


def measured(door, name):
    lines = door.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


def test_what_is_told_comes_at_once_to_whom_it_is_for(teller, listen):
    ana, ben = listen("ana"), listen("ben")
    began = time.perf_counter()
    id_ = teller.tell("person:ana", {"hello": "Ana"})
    [event] = ana.wait(1)
    assert (event.kind, event.id, event.json()) == ("thing", id_, {"hello": "Ana"})
    assert event.at - began < 1.5, "it came by the catch-up, not by the wake"
    teller.tell("person:ben", "only Ben")
    assert [one.json() for one in ben.wait(1)] == ["only Ben"]
    assert len(ana.events) == 1
    assert ana.headers["Content-Type"] == "text/event-stream"
    assert ana.headers["Cache-Control"] == "no-store"


def test_who_is_not_signed_in_gets_no_stream(teller, door):
    for token in (None, "nonsense"):
        with EventClient(door.address, token) as client:
            assert client.status == 401
            assert client.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_the_service_refuses_is_passed_on(teller, door):
    with EventClient(door.address, teller.shelf.token(), "nonsense") as client:
        assert (client.status, json.loads(client.body)["status"]) == (400, 400)


def test_a_head_is_answered_without_a_stream(teller, door):
    answer = door.ask("HEAD", "/v1/stream", teller.shelf.token())
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


def test_who_comes_back_hears_what_was_told_meanwhile_once_and_in_order(teller, listen):
    before = listen("ana")
    first = teller.tell("person:ana", 1)
    before.wait(1)
    before.close()
    for number in range(2, 12):
        teller.tell("person:ana", number, wake=False)
    back = listen("ana", before.last_id)
    assert before.last_id == first
    back.wait(10)
    teller.tell("person:ana", 12)
    back.wait(11)
    assert data(back) == list(range(2, 13))


def test_who_heard_nothing_yet_comes_back_to_where_they_began(teller, listen):
    ana = listen("ana")
    ana.close()
    teller.tell("person:ana", "meanwhile", wake=False)
    assert ana.last_id
    assert [one.json() for one in listen("ana", ana.last_id).wait(1)] == ["meanwhile"]


def test_while_things_are_told_all_who_come_and_go_hear_each_once_and_in_order(teller, listen):
    """Streams are opened and broken over and over while somebody tells: what one heard, over all of them, is what was told."""
    teller.topics["ana"] = {"group:kittens"}
    heard, client = [], listen("ana")
    done = threading.Event()

    def tell():
        for number in range(300):
            teller.tell(("person:ana", "group:kittens", "group:other")[number % 3], number, wake=number % 4 != 0)
            time.sleep(0.003)
        done.set()

    telling = threading.Thread(target=tell)
    telling.start()
    while not done.is_set():
        count = len(client.events)
        wait_until(lambda count=count, client=client: len(client.events) > count or done.is_set())
        client.close()
        heard += data(client)
        client = listen("ana", client.last_id)
    telling.join()
    wanted = [number for number in range(300) if number % 3 != 2]
    wait_until(lambda: len(heard) + len(client.events) >= len(wanted))
    assert heard + data(client) == wanted
    teller.topics.clear()


def test_a_wake_that_is_lost_costs_two_seconds_and_nothing_else(teller, listen):
    ana = listen("ana")
    teller.tell("person:ana", "quietly", wake=False)
    assert [one.json() for one in ana.wait(1, 5)] == ["quietly"]


def test_who_is_moved_hears_what_the_new_place_hears_and_no_more_what_the_old_did(teller, listen):
    ana = listen("ana")
    for topic in ("group:kittens", "group:bacon", "group:kittens"):
        teller.topics["ana"] = {topic}
        # Told before the gateway knows: it is there all the same.
        teller.tell(topic, f"in {topic}", wake=False)
        teller.wake("moved", "person:ana")
        ana.wait(len(ana.events) + 1)
    teller.topics["ana"] = set()
    teller.tell("group:kittens", "no more")
    teller.tell("person:ana", "for Ana")
    ana.wait(4)
    assert data(ana) == ["in group:kittens", "in group:bacon", "in group:kittens", "for Ana"]


def test_two_gateways_wake_those_whom_they_hold(teller, listen, door, open_door):
    other = open_door(teller.shelf.name).wait_ready()
    here, there = listen("ana"), listen("ana", at=other)
    began = time.perf_counter()
    teller.tell("person:ana", "both")
    for one in (here, there):
        assert [event.at - began < 1.5 for event in one.wait(1)] == [True]
    other.process.send(signal.SIGTERM)
    there.wait_end()
    assert there.cleanly
    assert other.process.wait(5) == 0
    teller.tell("person:ana", "again")
    assert [one.json() for one in listen("ana", there.last_id).wait(1)] == ["again"]
    here.wait(2)
    assert data(here) == ["both", "again"]


def test_a_slow_reader_is_cut_off_and_nobody_else_notices(teller, door, listen):
    ana = listen("ana")
    dropped = measured(door, "cg_streams_dropped_total")
    with socket.create_connection(("127.0.0.1", door.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        token = teller.shelf.token("ses_ana", sub="ana")
        slow.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert slow.recv(10) == b"HTTP/1.1 2"
        wait_until(lambda: measured(door, "cg_streams") == 2)
        count = 0
        while measured(door, "cg_streams_dropped_total") == dropped:
            assert count < 300
            teller.tell("person:ana", "x" * 50_000)
            count += 1
            ana.wait(count)
    wait_until(lambda: measured(door, "cg_streams") == 1)
    assert len(ana.events) == count


def test_who_speaks_an_older_http_gets_the_stream_as_it_is(teller, door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as sock:
        token = teller.shelf.token("ses_ben", sub="ben")
        sock.sendall(f"GET /v1/stream HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        answer = sock.recv(65536)
        while b"\n\n" not in answer:
            answer += sock.recv(65536)
        assert b"Transfer-Encoding" not in answer and b"Connection: close" in answer
        id_ = teller.tell("person:ben", "plainly")
        assert sock.recv(65536) == f'event: thing\nid: {id_}\ndata: "plainly"\n\n'.encode()


def test_a_ticket_opens_one_stream(teller, door):
    teller.tickets["secret"] = "ana"
    with EventClient(door.address, path="/v1/stream?ticket=secret") as client:
        assert client.status == 200
        client.wait_comments(1)
        teller.tell("person:ana", "by ticket")
        assert [one.json() for one in client.wait(1)] == ["by ticket"]
        with EventClient(door.address, path="/v1/stream?ticket=secret") as again:
            assert (again.status, json.loads(again.body)["type"]) == (401, "/problems/authentication-required")


def test_who_signs_out_hears_no_more(teller, listen, monkeypatch):
    ana, by_another = listen("ana", session="ses_gone", iat=int(time.time()) - 25), listen("ana")
    teller.shelf.ended.add("ses_gone")
    ana.wait_end(40)
    assert not by_another.ended


def test_a_stream_ends_with_its_token(teller, listen):
    ana = listen("ana", exp=int(time.time()) + 2)
    ana.wait_end(6)
    assert ana.cleanly


def test_a_person_may_have_only_so_many(teller, door, listen):
    for _ in range(20):
        listen("eve")
    with EventClient(door.address, teller.shelf.token("ses_eve", sub="eve")) as client:
        assert client.status == 429
    listen("ana")


def test_while_the_broker_is_away_streams_stay_and_miss_nothing(teller, topology, listen, door):
    ana = listen("ana")
    # One that is still catching up would be closed, for its client to come back.
    teller.tell("person:ana", "before")
    ana.wait(1)
    teller.shelf.stop()
    topology.kill()
    topology.start()
    teller.shelf.start()
    teller.told.append((f"thg_{len(teller.told) + 1:08d}", "person:ana", "meanwhile"))
    assert [one.json() for one in ana.wait(2, 20)] == ["before", "meanwhile"]
    close_quietly(teller.connection)
    teller.connection = connect(topology.uri, "teller")
    teller.channel = teller.connection.channel()
    wait_until(lambda: not ana.ended)
    began = time.perf_counter()
    teller.tell("person:ana", "woken again")
    assert ana.wait(3)[2].at - began < 1.5
