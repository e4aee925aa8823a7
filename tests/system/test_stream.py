"""What people hear live, across all processes: at once, each thing once, wherever they listen and whatever is killed."""

import pytest

from chassis.event_client import EventClient
from commonground import eventually
from people import done


@pytest.fixture
def listen(platform):
    """Open somebody's stream, at the gateway or at another address; it is closed at the end."""
    opened = []

    def listen_(who, last_id="", at=None):
        token = who.session["access_token"]
        opened.append(EventClient(at or platform.door.address, token, last_id))
        assert opened[-1].status == 200, opened[-1].body
        opened[-1].wait_comments(1)
        return opened[-1]

    yield listen_
    for one in opened:
        one.close()


def titles(stream):
    return [one.json()["title"] for one in stream.events]


def test_what_comes_into_the_inbox_is_heard_live_as_the_inbox_shows_it(person, listen):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    ben.joins(group)
    stream = listen(ben)
    event = ana.schedules(group)
    [heard] = stream.wait(1)
    [shown] = eventually(lambda: ben.get("/v1/inbox").json()["items"], "the notice in the inbox")
    assert (heard.kind, heard.id, heard.json()) == ("notice", shown["id"], shown)
    assert shown["subject"]["id"] == event["id"]


def test_who_joins_while_listening_hears_the_group_and_who_leaves_does_not(platform, person, listen):
    # What happens to members is told by another service than what happens to events, so in no order with that.
    ana, ben, chris = person("ana"), person("ben"), person("chris")
    group = ana.founds()
    chris.joins(group)
    platform.wait_quiet()
    stream, other = listen(ben), listen(chris)
    ana.schedules(group, title="Before")
    other.wait(1)
    ben.joins(group)
    platform.wait_quiet()
    ana.schedules(group, title="While")
    stream.wait(1)
    assert ben.delete(f"/v1/groups/{group['id']}/members/me").status == 204
    platform.wait_quiet()
    ana.schedules(group, title="After")
    other.wait(3)
    ben.joins(group)
    platform.wait_quiet()
    ana.schedules(group, title="Again")
    stream.wait(2)
    assert titles(stream) == ["New: While", "New: Again"]


def test_a_ticket_opens_one_stream(platform, person):
    ana = person("ana")
    ticket = done(ana.post("/v1/stream/tickets"), 201)
    path = f"/v1/stream?ticket={ticket['ticket']}"
    with EventClient(platform.door.address, path=path) as stream:
        assert stream.status == 200
        with EventClient(platform.door.address, path=path) as again:
            assert again.status == 401
            assert again.headers["WWW-Authenticate"].startswith("Bearer")
    with EventClient(platform.door.address, path="/v1/stream") as nobody:
        assert nobody.status == 401


def test_whatever_ends_and_comes_back_each_thing_is_heard_once_and_in_order(platform, person, listen):
    """Somebody schedules events while a gateway is renewed, the notifications service killed, and streams broken: on two
    gateways, in all that a listener heard, each is there once, in the order of the inbox."""
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    ben.joins(group)
    other, address = platform.add("gateway")
    here, there = listen(ben), listen_again(platform, ben, "", address)
    heard_there = []
    for number in range(6):
        ana.schedules(group, title=f"Number {number}")
        if number == 1:
            there.close()
            heard_there += there.events
        if number == 2:
            platform.processes["notifications"].kill()
            platform.launch("notifications")
        if number == 3:
            there = listen_again(platform, ben, there.last_id, address)
        if number == 4:
            other.stop()
            there.wait_end(20)
            assert there.cleanly
            heard_there += there.events
            there = listen_again(platform, ben, there.last_id, platform.door.address)
    platform.wait_ready("notifications")
    here.wait(6, 30)
    eventually(lambda: len(heard_there) + len(there.events) >= 6, "all six on the stream that moved", 30)
    there.close()
    shown = [one["id"] for one in ben.get("/v1/inbox").json()["items"]][::-1]
    assert here.ids() == shown
    assert [one.id for one in heard_there + there.events] == shown


def listen_again(platform, who, last_id, address):
    """Come back as a client does: again until it is let in."""

    def attempt():
        try:
            client = EventClient(address, who.session["access_token"], last_id)
        except OSError:
            return None
        return client if client.status == 200 else client.close()

    return eventually(attempt, "a stream", 30)
