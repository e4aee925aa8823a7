"""The events service as a real process, and what the groups service publishes, as real messages on the real broker."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import amqp
import pytest

from chassis.api_client import ApiAnswer, ApiClient, Person
from chassis.connection import connect
from chassis.contract import subscriptions_of
from chassis.ids import new_id
from chassis.messages import CONTENT_TYPE
from chassis.store import OpenStore, open_store
from chassis.testing import RunningService, wait_until
from events.service import Events

CONSUMERS = [(one.full_type, f"events.{name}") for name, one in subscriptions_of(Events)]


def named(one: Person) -> dict[str, str]:
    """A person as messages name them."""
    return {"id": one.id, "handle": one.handle, "display_name": one.display_name}


def ref(group: dict[str, Any]) -> dict[str, Any]:
    """A group as messages name it."""
    return {name: group[name] for name in ("id", "slug", "name")}


@dataclass
class Message:
    """A message as the groups service makes it; `publish` sends it, as often as wanted."""

    exchange: str
    envelope: dict[str, Any]

    @property
    def sequence(self) -> int:
        return int(self.envelope["sequence"])


@dataclass
class World:
    """People, groups, and what happens to them.

    Each thing that happens is a message with the next sequence of its subject; it is published at once, unless it is
    `held`.
    """

    api: ApiClient
    channel: Any
    store: OpenStore
    published: set[tuple[str, str, str]] = field(default_factory=set)
    sequences: dict[str, Iterator[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("ana", "ben", "chris", "dora", "eve")
        self.ana, self.ben, self.chris, self.dora, self.eve = (self.person(name) for name in names)

    # -- people and groups

    def person(self, name: str) -> Person:
        """Somebody of whom nobody has heard yet, with a handle that nobody else has."""
        return Person(new_id("psn"), f"{name}_{new_id('')[-8:].lower()}", name.title())

    def group(self, *members: Person, lead: Person | None = None, **fields: Any) -> dict[str, Any]:
        """A group led by Ana, unless somebody else, with members; the service knows of all of it, and of them."""
        group = self.unheard_group(**fields)
        lead = lead or self.ana
        self.registered(lead, *members)
        self.founded(group)
        self.joined(group, lead, "organizer")
        for one in members:
            self.joined(group, one)
        self.settled()
        return group

    def unheard_group(self, **fields: Any) -> dict[str, Any]:
        """A group of which nobody has heard yet."""
        slug = "kittens-and-bacon-" + new_id("")[-8:].lower()
        group = {"id": new_id("grp"), "slug": slug, "name": "Kittens and Bacon", "visibility": "public"}
        return {**group, "interests": ["kittens", "bacon"], **fields}

    def registered(self, *people: Person, **profile: Any) -> None:
        """People registered, with what is known of them: `interests`, `background`, `icebreakers`."""
        for one in people:
            self.tell("groups.person.registered.v1", one.id, {"person": named(one), **profile})

    def updated_person(self, one: Person, **profile: Any) -> None:
        """A person changed what is known of them."""
        self.tell("groups.person.updated.v1", one.id, {"person": named(one), **profile})

    def renamed(self, one: Person, display_name: str) -> None:
        person = {**named(one), "display_name": display_name}
        self.tell("groups.person.updated.v1", one.id, {"person": person})

    def erased(self, one: Person) -> Message:
        return self.tell("groups.person.erased.v1", one.id, {"person_id": one.id, "handle": one.handle})

    def founded(self, group: dict[str, Any], **options: Any) -> Message:
        return self.tell("groups.group.founded.v1", group["id"], {"group": dict(group)}, **options)

    def updated(self, group: dict[str, Any], **fields: Any) -> Message:
        """The group is different now; `held` as an option."""
        held = fields.pop("held", False)
        group.update(fields)
        data = {"group": dict(group), "changed": list(fields)}
        return self.tell("groups.group.updated.v1", group["id"], data, held=held)

    def archived(self, group: dict[str, Any], **options: Any) -> Message:
        return self.tell("groups.group.archived.v1", group["id"], {"group": ref(group)}, **options)

    def joined(self, group: dict[str, Any], who: Person, role: str = "member", **options: Any) -> Message:
        return self.member("joined", group, who, role, **options)

    def member(self, what: str, group: dict[str, Any], who: Person, role: str = "member", **options: Any) -> Message:
        """`joined`, `left`, `removed`, `banned` or `role_changed`."""
        data = {"group": ref(group), "person": named(who), "role": role}
        return self.tell(f"groups.member.{what}.v1", group["id"], data, **options)

    def tell(self, type_: str, subject: str, data: dict[str, Any], held: bool = False) -> Message:
        """Make the subject's next message, and publish it unless it is held."""
        envelope = {
            "specversion": "1.0",
            "id": new_id("msg"),
            "source": "/services/groups",
            "type": f"commonground.{type_}",
            "subject": subject,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"/schemas/commonground.{type_}",
            "sequence": str(next(self.sequences.setdefault(subject, count(1)))),
            "audience": "public",
            "data": data,
        }
        message = Message("commonground.groups", envelope)
        if not held:
            self.publish(message)
        return message

    def publish(self, *messages: Message) -> None:
        """Put messages on the broker, confirmed."""
        for one in messages:
            body = amqp.Message(json.dumps(one.envelope).encode(), content_type=CONTENT_TYPE, delivery_mode=2)
            names = {name for type_, name in CONSUMERS if type_ == one.envelope["type"]}
            self.published |= {(name, one.envelope["source"], one.envelope["id"]) for name in names}
            key = one.envelope["type"].removeprefix("commonground.")
            self.channel.basic_publish_confirm(body, one.exchange, key, mandatory=True)

    def settled(self, timeout: float = 20) -> None:
        """Wait until all that was published has had its effects."""
        wait_until(lambda: not self._missing(), timeout, what="the effect of all messages")

    def _missing(self) -> bool:
        expected = [{"consumer": name, "source": source, "id": id_} for name, source, id_ in self.published]
        return self.store.database["inbox"].count_documents({"_id": {"$in": expected}}) < len(expected)

    # -- events

    def plan(self, days: int = 7, **fields: Any) -> dict[str, Any]:
        """What it takes to schedule an event, some days from now."""
        start = (datetime.now(UTC) + timedelta(days=days)).replace(hour=19, minute=0, second=0, microsecond=0)
        plan = {
            "title": "Brunch with kittens",
            "starts_at": start.strftime("%Y-%m-%dT%H:%M"),
            "ends_at": (start + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"),
            "time_zone": "UTC",
        }
        return {**plan, **fields}

    def schedule(
        self, group: dict[str, Any], as_: Person | None = None, days: int = 7, **fields: Any
    ) -> dict[str, Any]:
        """A new event of the group, as the API gives it."""
        answer = self.api.post(f"/v1/groups/{group['id']}/events", self.plan(days, **fields), as_=as_ or self.ana)
        assert answer.status == 201, answer.body
        event: dict[str, Any] = answer.json()
        return event

    def answer(self, event: dict[str, Any], who: Person, answer: str = "going", guests: int = 0) -> ApiAnswer:
        """Somebody answers an event."""
        body = {"answer": answer, "guests": guests}
        return self.api.put(f"/v1/events/{event['id']}/rsvps/me", body, as_=who)

    def goes(self, event: dict[str, Any], *people: Person) -> None:
        """People answer `going`, one after another."""
        for one in people:
            assert self.answer(event, one).status == 200

    def read(self, event: dict[str, Any], as_: Person | None = None) -> dict[str, Any]:
        """An event as somebody sees it."""
        answer = self.api.get(f"/v1/events/{event['id']}", as_=as_)
        assert answer.status == 200, answer.body
        read: dict[str, Any] = answer.json()
        return read

    def status(self, event: dict[str, Any], who: Person) -> tuple[str, int | None]:
        """What became of somebody's answer: its status and position. `unanswered` if there is none."""
        found = self.store.rsvps.find(event["id"], who.id)
        return (found.status, found.position) if found else ("unanswered", None)

    def titles(self, as_: Person | None = None, path: str = "/v1/events", **params: Any) -> list[str]:
        """The titles of the events of a list, in its order, over all of its pages."""
        answer = self.api.get(path, as_=as_, params={**params, "limit": params.get("limit", 100)})
        assert answer.status == 200, answer.body
        return [item.get("event", item)["title"] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def store(shared_database: str) -> Iterator[OpenStore]:
    """The service's store, seen from the test."""
    opened = open_store(shared_database, "events", Events.store.repositories)
    opened.make_indexes()
    yield opened
    opened.client.close()


@pytest.fixture(scope="module")
def service(shared_service: Callable[..., RunningService], shared_database: str) -> RunningService:
    """An events service of the module's own."""
    return shared_service("events", env={"CG_MONGO_URI": shared_database})


@pytest.fixture(scope="module")
def channel(topology: Any) -> Iterator[Any]:
    """A channel of an account that may publish as any service."""
    connection = connect(topology.uri, "world")
    channel = connection.channel()
    channel.confirm_select()
    yield channel
    connection.close()


@pytest.fixture
def world(service: RunningService, channel: Any, store: OpenStore) -> Iterator[World]:
    """The world of one test. No message may have failed for good when it ends."""
    yield World(service.api, channel, store)
    assert channel.queue_declare("commonground.events.parked", passive=True).message_count == 0


@pytest.fixture
def heard(channel: Any) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """What the service published since the test began: `heard(event, 3)` waits for three messages about an event."""
    name = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(name, "commonground.events", "#")
    envelopes: list[dict[str, Any]] = []

    def about(event: dict[str, Any], number: int) -> list[dict[str, Any]]:
        def mine() -> Sequence[dict[str, Any]]:
            while (message := channel.basic_get(name, no_ack=True)) is not None:
                envelopes.append(json.loads(message.body))
            return [one for one in envelopes if one["subject"] == event["id"]]

        wait_until(lambda: len(mine()) >= number, what=f"{number} messages")
        return sorted(mine(), key=lambda one: int(one["sequence"]))

    yield about
    channel.queue_delete(name)
