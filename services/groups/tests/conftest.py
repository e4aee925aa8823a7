"""The groups service as a real process on the real broker and database, people who call it, messages it sends."""

import itertools
import json
from dataclasses import dataclass
from types import SimpleNamespace
from zlib import crc32

import amqp
import pytest
from joserfc.jwk import ECKey
from pymongo import MongoClient

from chassis.api_client import Person
from chassis.messages import CONTENT_TYPE
from chassis.testing import wait_until

KEY = ECKey.generate_key("P-256").as_pem(private=True).decode()
PASSWORD = "correct horse battery"
OF_ITSELF = ("outbox", "leases", "inbox", "$cmd")
"""Where the service reads and writes without being asked."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def service(shared_service, shared_database):
    """A groups service that the tests of a module share, with the rate limits off."""
    env = {
        "CG_MONGO_URI": shared_database,
        "CG_SIGNING_KEY": KEY,
        "CG_RATE_LIMITS": "off",
        "CG_PASSWORD_MEMORY_KIB": "8",
    }
    return shared_service("groups", env=env)


@pytest.fixture
def run_groups(run_service, fresh_database):
    """Start a groups service of its own for one test: `run_groups(CG_SIGN_INS_PER_HANDLE="3")`."""
    settings = {"CG_MONGO_URI": fresh_database, "CG_SIGNING_KEY": KEY, "CG_PASSWORD_MEMORY_KIB": "8"}
    return lambda wait=True, **env: run_service("groups", env={**settings, **env}, wait=wait)


@pytest.fixture
def introspect(api):
    """Ask, as the gateway does, whether a token or session holds: `introspect(session="ses_…")`."""

    def introspect(**about):
        head = {"path": {}, "target": "", "query": "", "caller": None}
        head |= dict.fromkeys(("if_match", "if_none_match", "idempotency_key"))
        return api.receive(api._publish("introspect", head, json.dumps(about).encode(), 5)).json()

    return introspect


@pytest.fixture
def api(service):
    """Calls the service."""
    return service.api


@pytest.fixture(scope="module")
def data(shared_database):
    """The service's database."""
    with MongoClient(shared_database, tz_aware=True) as client:
        yield client.get_default_database()


@pytest.fixture
def steps(data):
    """What the service asks its database for while something is done: `steps(lambda: api.get("/v1/me"))`, ["find people"]."""

    def steps(act):
        data.command("profile", 2)
        try:
            act()
        finally:
            data.command("profile", 0)
        done = list(data["system.profile"].find({"appName": "commonground-groups"}).sort("ts"))
        data.drop_collection("system.profile")
        asked = []
        for one in done:
            kind = next(iter(one["command"])) if one["op"] == "command" else one["op"]
            writes = any(one.get(count) for count in ("nModified", "ninserted", "ndeleted"))
            asked.append((kind + " writing" if writes else kind, one["ns"].partition(".")[2]))
        return [f"{kind} {name}" for kind, name in asked if name not in OF_ITSELF]

    return steps


@dataclass
class Registered:
    """A person as they call, and what they got when they registered."""

    caller: Person
    profile: dict

    @property
    def id(self):
        return self.caller.id

    @property
    def handle(self):
        return self.caller.handle


@pytest.fixture
def register(api):
    """Register people: `register("ana")` is somebody called Ana, with a handle that nobody else has."""

    def register(name="ana", **profile):
        handle = f"{name}_{next(_numbers)}"
        given = {"handle": handle, "display_name": name.title(), "password": PASSWORD, **profile}
        answer = api.post("/v1/people", given)
        assert answer.status == 201, answer.body
        return Registered(Person(answer.json()["id"], handle, given["display_name"], session="ses_test"), answer.json())

    return register


@pytest.fixture
def found(api):
    """Found groups: `found(ana, interests=["kittens"])`."""

    def found(founder, **fields):
        given = {"name": "Kittens and Bacon", "interests": ["kittens", "bacon"], "scope": "virtual", **fields}
        answer = api.post("/v1/groups", given, as_=founder.caller)
        assert answer.status == 201, answer.body
        return SimpleNamespace(**answer.json())

    return found


@pytest.fixture
def join(api):
    """Have people join a group."""

    def join(group, *people):
        for person in people:
            answer = api.post(f"/v1/groups/{group.id}/members", as_=person.caller)
            assert answer.status == 201, answer.body

    return join


def message_of(event, person):
    """The id of the message that somebody came to an event. As any other it does not say who."""
    return f"msg_{crc32(f'{event} {person.id}'.encode())}"


@pytest.fixture
def attend(topology, data):
    """Have the events service tell that people came to an event of a group: `attend(group, "evt_1", ben)`, once heard."""
    from chassis.connection import connect

    connection = connect(topology.uri, "events")
    channel = connection.channel()
    channel.confirm_select()

    def attend(group, event, *people, starts_at="2026-11-01T18:00:00Z", heard=True, times=1, sequence=None):
        for number, person in enumerate(people, 1):
            reference = {"id": person.id, "handle": person.handle, "display_name": person.caller.display_name}
            about = {"id": event, "title": f"Brunch {event}", "starts_at": starts_at, "time_zone": "UTC"}
            told = {"event": about, "group": {"id": group.id, "slug": group.slug, "name": group.name}}
            envelope = {
                "specversion": "1.0",
                "id": message_of(event, person),
                "source": "/services/events",
                "type": "commonground.events.attendance.recorded.v1",
                "subject": event,
                "time": starts_at,
                "sequence": str(sequence or number),
                "data": {**told, "person": reference},
            }
            body = amqp.Message(json.dumps(envelope), content_type=CONTENT_TYPE, type=envelope["type"], delivery_mode=2)
            for _ in range(times):
                channel.basic_publish_confirm(
                    body, "commonground.events", "events.attendance.recorded.v1", mandatory=True
                )
        for person in people if heard else ():
            done = {"consumer": "groups.note_attended", "source": "/services/events", "id": message_of(event, person)}
            wait_until(lambda done=done: data.inbox.find_one({"_id": done}), what="hearing of attendance")

    yield attend
    connection.close()


@pytest.fixture
def messages(topology):
    """What the service publishes from here on: `messages(subject, count)` waits for so many about a subject.

    Each is there once, whether or not it came again, with the same id, since the process that published it was killed.
    """
    from chassis.connection import connect

    connection = connect(topology.uri, "test")
    channel = connection.channel()
    queue = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(queue, "commonground.messages", "groups.#")
    seen = {}

    def receive(message):
        envelope = json.loads(message.body)
        seen.setdefault(envelope["id"], envelope)

    channel.basic_consume(queue, no_ack=True, callback=receive)

    def wait(subject, count, timeout=5):
        while len(about := [one for one in seen.values() if one["subject"] == subject]) < count:
            connection.drain_events(timeout=timeout)
        return about

    yield wait
    connection.close()
