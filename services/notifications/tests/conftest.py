"""The world around notifications: what the groups and events services publish, as real messages on the real broker."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import amqp
import pytest

from chassis.api_client import ApiAnswer, Person
from chassis.connection import connect
from chassis.contract import subscriptions_of
from chassis.ids import new_id
from chassis.messages import CONTENT_TYPE
from chassis.store import OpenStore, open_store
from chassis.testing import RunningService, wait_until
from notifications.service import Notifications
from postoffice import PostOffice, post_office, settings_for

START = datetime(2026, 11, 23, 18, tzinfo=UTC)


def person(handle: str) -> Person:
    """A new person."""
    return Person(new_id("psn"), handle, handle.capitalize())


def named(one: Person) -> dict[str, str]:
    """A person as messages name them."""
    return {"id": one.id, "handle": one.handle, "display_name": one.display_name}


@dataclass
class Message:
    """A message as another service makes it; `publish` sends it, as often as wanted."""

    exchange: str
    envelope: dict[str, Any]
    key: str | None = None
    """The routing key, where it is not that of its type."""


@dataclass
class World:
    """One running notifications service, and the other services' part: what happens to groups, members and events.

    Each thing that happens is a message with the next second as its time, and the next sequence of its subject. It is
    published at once and has its effects, unless it is `held`, to be published later.
    """

    service: RunningService
    channel: Any
    store: OpenStore
    uri: str
    """The address of the service's database."""
    published: set[tuple[str, str, str]] = field(default_factory=set)
    seconds: Iterator[int] = field(default_factory=lambda: count(1))
    sequences: dict[str, Iterator[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ana, self.ben, self.chris = person("ana"), person("ben"), person("chris")
        self.dora, self.eve = person("dora"), person("eve")

    def person(self, handle: str) -> Person:
        """Somebody new."""
        return person(handle)

    # -- what happens

    def group(self, name: str = "Kittens and Bacon", **fields: Any) -> dict[str, Any]:
        """A group that nobody heard of yet."""
        slug = name.lower().replace(" ", "-") + new_id("")[-6:].lower()
        return {"id": new_id("grp"), "slug": slug, "name": name, "visibility": "public", **fields}

    def event(self, group: dict[str, Any], title: str = "Bacon brunch", **fields: Any) -> dict[str, Any]:
        """An event that nobody heard of yet."""
        event = {
            "id": new_id("evt"),
            "title": title,
            "starts_at": "2026-12-02T00:00:00Z",
            "time_zone": "America/New_York",
        }
        return {**event, "hosts": [], "status": "scheduled", "group": _ref(group), **fields}

    def founded(self, group: dict[str, Any], **options: Any) -> Message:
        return self.tell("groups.group.founded.v1", group["id"], {"group": group}, **options)

    def joined(
        self, group: dict[str, Any], who: Person, role: str = "member", by: Person | None = None, **options: Any
    ) -> Message:
        data = {"group": _ref(group), "person": named(who), "role": role} | ({"by": named(by)} if by else {})
        return self.tell("groups.member.joined.v1", group["id"], data, **options)

    def left(self, group: dict[str, Any], who: Person, what: str = "left", **options: Any) -> Message:
        data = {"group": _ref(group), "person": named(who), "role": "member"}
        return self.tell(f"groups.member.{what}.v1", group["id"], data, **options)

    def removed(
        self, group: dict[str, Any], who: Person, what: str = "removed", by: Person | None = None, **options: Any
    ) -> Message:
        data = {"group": _ref(group), "person": named(who), "role": "member", "by": named(by or self.ana)}
        return self.tell(f"groups.member.{what}.v1", group["id"], data, **options)

    def role_changed(
        self, group: dict[str, Any], who: Person, role: str, by: Person | None = None, **options: Any
    ) -> Message:
        data = {"group": _ref(group), "person": named(who), "role": role} | ({"by": named(by)} if by else {})
        return self.tell("groups.member.role_changed.v1", group["id"], data, **options)

    def archived(self, group: dict[str, Any], by: Person | None = None, **options: Any) -> Message:
        data = {"group": _ref(group)} | ({"by": named(by)} if by else {})
        return self.tell("groups.group.archived.v1", group["id"], data, **options)

    def requested(self, group: dict[str, Any], who: Person, answer: str | None = None, **options: Any) -> Message:
        data = {"group": _ref(group), "person": named(who), "answer": answer}
        return self.tell("groups.join.requested.v1", group["id"], data, audience="group", **options)

    def declined(self, group: dict[str, Any], who: Person, by: Person, **options: Any) -> Message:
        data = {"group": _ref(group), "person": named(who), "answer": None, "by": named(by)}
        return self.tell("groups.join.declined.v1", group["id"], data, audience="group", **options)

    def matched(self, group: dict[str, Any], who: Person, **options: Any) -> Message:
        watch = new_id("wch")
        data = {"watch_id": watch, "person": named(who), "group": _ref(group), "interests": ["kittens", "bacon"]}
        return self.tell("groups.watch.matched.v1", watch, data, audience="person", **options)

    def risen(self, *people: Person, demand: str = "", **options: Any) -> Message:
        data = {
            "interests": ["kittens", "bacon"],
            "watchers": len(people),
            "people": [named(one) for one in people],
        }
        return self.tell("groups.demand.risen.v1", demand or new_id("dmd"), data, audience="person", **options)

    def advertised(self, group: dict[str, Any], *people: Person, **options: Any) -> Message:
        """A promotion of the group was sent to these people; as messages may, it names them by their ids alone."""
        promotion = new_id("prm")
        data = {"promotion_id": promotion, "group": _ref(group), "text": "Come and cook with us!"}
        data["people"] = [one.id for one in people]
        return self.tell("groups.promotion.sent.v1", promotion, data, audience="person", **options)

    def asked(self, group: dict[str, Any], who: Person, ask: dict[str, str], **options: Any) -> Message:
        return self._ask("ask.opened", group, who, ask, {}, options)

    def offered(
        self, group: dict[str, Any], who: Person, ask: dict[str, str], asker: Person | None, **options: Any
    ) -> Message:
        return self._ask("offer.made", group, who, ask, {"asker": named(asker)} if asker else {}, options)

    def resolved(
        self, group: dict[str, Any], who: Person, ask: dict[str, str], *thanked: Person, **options: Any
    ) -> Message:
        return self._ask("ask.resolved", group, who, ask, {"thanked": [named(one) for one in thanked]}, options)

    def scheduled(
        self, group: dict[str, Any], event: dict[str, Any], by: Person | None = None, **options: Any
    ) -> Message:
        return self._event("scheduled", group, event, by, {}, options)

    def changed(
        self, group: dict[str, Any], event: dict[str, Any], by: Person | None = None, **options: Any
    ) -> Message:
        return self._event("changed", group, event, by, {"changed": ["venue"]}, options)

    def cancelled(
        self, group: dict[str, Any], event: dict[str, Any], by: Person | None = None, **options: Any
    ) -> Message:
        return self._event("cancelled", group, event, by, {"reason": "No bacon left."}, options)

    def answered(
        self,
        group: dict[str, Any],
        event: dict[str, Any],
        who: Person,
        status: str,
        was: str | None = None,
        **options: Any,
    ) -> Message:
        data = {**self._of(group, event), "person": named(who), "status": status, "was": was, "guests": 0}
        data |= options.pop("data", {})
        return self.tell("events.rsvp.changed.v1", event["id"], data, **options)

    def promoted(self, group: dict[str, Any], event: dict[str, Any], who: Person, **options: Any) -> Message:
        data = {**self._of(group, event), "person": named(who), "guests": 0}
        return self.tell("events.rsvp.promoted.v1", event["id"], data, audience="person", **options)

    def due(self, group: dict[str, Any], event: dict[str, Any], lead: str = "PT24H", **options: Any) -> Message:
        return self.tell("events.event.due.v1", event["id"], {**self._of(group, event), "in": lead}, **options)

    def registered(self, who: Person, what: str = "registered", held: bool = False, **profile: Any) -> Message:
        data = {"person": named(who), "interests": [], "time_zone": "UTC", "locale": "en", **profile}
        return self.tell(f"groups.person.{what}.v1", who.id, data, held=held)

    def erased(self, who: Person, **options: Any) -> Message:
        return self.tell("groups.person.erased.v1", who.id, {"person_id": who.id, "handle": who.handle}, **options)

    # -- how it is told

    def tell(
        self, type_: str, subject: str, data: dict[str, Any], *, held: bool = False, audience: str = "public"
    ) -> Message:
        """Make a message of the next second; publish it and wait for its effects, unless it is held."""
        moment = START + timedelta(seconds=next(self.seconds))
        sequence = next(self.sequences.setdefault(subject, count(1)))
        service = type_.partition(".")[0]
        message = Message(
            f"commonground.{service}",
            {
                "specversion": "1.0",
                "id": new_id("msg"),
                "source": f"/services/{service}",
                "type": f"commonground.{type_}",
                "subject": subject,
                "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "datacontenttype": "application/json",
                "dataschema": f"/schemas/commonground.{type_}",
                "sequence": str(sequence),
                "audience": audience,
                "data": data,
            },
        )
        if not held:
            self.publish(message)
            self.settled()
        return message

    def publish(self, *messages: Message) -> None:
        """Put messages on the broker, confirmed."""
        for one in messages:
            properties = {"content_type": CONTENT_TYPE, "delivery_mode": 2}
            properties |= {"message_id": one.envelope["id"], "type": one.envelope["type"]}
            body = amqp.Message(json.dumps(one.envelope).encode(), **properties)
            key = one.key or one.envelope["type"].removeprefix("commonground.")
            self.published |= _effects(one.envelope)
            self.channel.basic_publish_confirm(body, one.exchange, key, mandatory=True)

    def _ask(
        self,
        what: str,
        group: dict[str, Any],
        who: Person,
        ask: dict[str, str],
        more: dict[str, Any],
        options: dict[str, Any],
    ) -> Message:
        data = {"group": _ref(group), "person": named(who), "ask": ask, **more}
        return self.tell(f"groups.{what}.v1", ask["id"], data, audience="group", **options)

    def _event(
        self,
        what: str,
        group: dict[str, Any],
        event: dict[str, Any],
        by: Person | None,
        more: dict[str, Any],
        options: dict[str, Any],
    ) -> Message:
        data = {"event": event, "group": _ref(group), "interests": ["kittens", "bacon"], "by": by and named(by), **more}
        data |= options.pop("data", {})
        return self.tell(f"events.event.{what}.v1", event["id"], data, **options)

    def _of(self, group: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        return {
            "event": {name: event[name] for name in ("id", "title", "starts_at", "time_zone")},
            "group": _ref(group),
        }

    # -- what people see

    def inbox(self, who: Person, **params: Any) -> list[dict[str, Any]]:
        """The first page of a person's inbox, once all that was published has had its effects."""
        self.settled()
        answer = self.ask("/v1/inbox", who, **params)
        assert answer.status == 200, answer.body
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def ask(self, path: str, who: Person | None, **params: Any) -> ApiAnswer:
        """GET as somebody or nobody."""
        return self.service.api.get(path, as_=who, params=params)

    def titles(self, who: Person, **params: Any) -> list[str]:
        """What stands in a person's inbox, by its titles, newest first."""
        return [item["title"] for item in self.inbox(who, **params)]

    def unread(self, who: Person) -> int:
        """What the summary of a person's inbox says."""
        self.settled()
        unread: int = self.ask("/v1/inbox/summary", who).json()["unread"]
        return unread

    def settled(self) -> None:
        """Wait until all that was published has had its effects."""
        wait_until(lambda: not self._missing(), timeout=30, what="the effect of all messages")

    def _missing(self) -> bool:
        expected = [{"consumer": name, "source": source, "id": id_} for name, source, id_ in self.published]
        seen = self.store.database["inbox"].count_documents({"_id": {"$in": expected}})
        return seen < len(expected) or self.store.drafts.any()


@dataclass(kw_only=True)
class Post(World):
    """The same world, where mail is sent."""

    office: PostOffice

    def address(self, who: Person) -> str:
        """An address that nobody else has."""
        return f"{who.handle}.{who.id[-8:].lower()}@example.org"

    def verified(self, who: Person, **profile: Any) -> str:
        """Have somebody register and get their mail from now on; gives their address."""
        if profile:
            self.registered(who, **profile)
        address = self.address(who)
        before = len(self.office.to(address))
        assert self.service.api.put("/v1/me/email", {"address": address}, as_=who).status == 202
        code = self.office.code_for(address, before + 1)
        answer = self.service.api.post("/v1/me/email/verification", {"code": code}, as_=who)
        assert answer.status == 200, answer.body
        return address

    def prefer(self, who: Person, **patch: Any) -> None:
        """Have somebody say what they want to hear of."""
        assert self.service.api.patch("/v1/me/notices", patch, as_=who).status == 200

    def given(self, who: Person, address: str | None, held: bool = False) -> Message:
        """Have the groups service hand over the address of somebody's profile: to the inbox, past all exchanges."""
        message = self.tell(
            "groups.person.email_given.v1",
            who.id,
            {"person_id": who.id, "address": address},
            held=True,
            audience="private",
        )
        message.exchange, message.key = "", "commonground.notifications.inbox"
        if not held:
            self.publish(message)
            self.settled()
        return message

    def mails(self, who: Person) -> dict[str, Any]:
        """What is kept of the mails to somebody, by id."""
        return {one["_id"]: one for one in self.store.mails.documents.find({"person": who.id})}


def _ref(group: dict[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in ("id", "slug", "name")}


CONSUMERS = [(one.full_type, f"notifications.{name}") for name, one in subscriptions_of(Notifications)]


def _effects(envelope: dict[str, Any]) -> set[tuple[str, str, str]]:
    """What the inbox will remember of a message: consumer, source and id."""
    names = {name for type_, name in CONSUMERS if type_ == envelope["type"]}
    return {(name, envelope["source"], envelope["id"]) for name in names}


@pytest.fixture(scope="module")
def store(shared_database: str) -> Iterator[OpenStore]:
    """The service's store, seen from the test."""
    opened = open_store(shared_database, "notifications", Notifications.store.repositories)
    opened.make_indexes()
    yield opened
    opened.client.close()


@pytest.fixture
def another(shared_database: str) -> Iterator[Callable[[], OpenStore]]:
    """The same store, as another process has it."""
    opened: list[OpenStore] = []

    def open_() -> OpenStore:
        opened.append(open_store(shared_database, "notifications", Notifications.store.repositories))
        return opened[-1]

    yield open_
    for one in opened:
        one.client.close()


@pytest.fixture(scope="module")
def service(shared_service: Callable[..., RunningService], shared_database: str) -> RunningService:
    """A notifications service of the module's own."""
    return shared_service("notifications", env={"CG_MONGO_URI": shared_database})


@pytest.fixture(scope="module")
def channel(topology: Any) -> Iterator[Any]:
    """A channel of an account that may publish as any service."""
    connection = connect(topology.uri, "world")
    channel = connection.channel()
    channel.confirm_select()
    yield channel
    connection.close()


@pytest.fixture
def world(service: RunningService, channel: Any, store: OpenStore, shared_database: str) -> World:
    """The world of one test."""
    return World(service, channel, store, shared_database)


@pytest.fixture
def kittens(world: World) -> dict[str, Any]:
    """A group that Ana founded and Ben joined."""
    group = world.group()
    world.founded(group)
    world.joined(group, world.ana, "organizer")
    world.joined(group, world.ben)
    return group


# -- mail, for the modules that want it


@pytest.fixture(scope="module")
def office() -> Iterator[PostOffice]:
    """The mail server of a module."""
    with post_office() as opened:
        yield opened


@pytest.fixture(scope="module")
def mailing(shared_service: Callable[..., RunningService], shared_database: str, office: PostOffice) -> RunningService:
    """A notifications service of the module's own that sends mail."""
    env = {"CG_MONGO_URI": shared_database, **settings_for(office)}
    return shared_service("notifications", env=env)


@pytest.fixture
def post(mailing: RunningService, office: PostOffice, channel: Any, store: OpenStore, shared_database: str) -> Post:
    """The world of one test in which mail is sent."""
    return Post(mailing, channel, store, shared_database, office=office)


@pytest.fixture
def make_post(channel: Any, office: PostOffice) -> Callable[..., Post]:
    """Make the world around a service that sends mail: `make_post(service, store, uri)`."""
    return lambda service, store, uri: Post(service, channel, store, uri, office=office)
