"""A query without an index is a defect: every command that the repositories send is explained."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from chassis.store import OpenStore
from events.check_ins.model import CheckIn
from events.events import model
from events.events.model import GOING, MAYBE, NOT_GOING, WAITLISTED, Host
from events.events.store import Wanted
from events.groups.model import Group
from events.rsvps.model import Book, Rsvp
from events.series import model as series_model
from events.series.model import Series
from events.service import Events

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
ASKING = ("find", "aggregate", "update", "delete", "findAndModify")
GROUPS, EVENTS, PEOPLE = 10, 400, 30


class Commands(monitoring.CommandListener):
    """Keeps what is asked of the database."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ASKING:
            self.kept.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


@pytest.fixture(scope="module")
def commands() -> Commands:
    return Commands()


@pytest.fixture(scope="module")
def opened(shared_database: str, commands: Commands) -> Iterator[OpenStore]:
    """A store with some of everything in it, whose commands are kept."""
    client: MongoClient[dict[str, Any]] = MongoClient(shared_database, tz_aware=True, event_listeners=[commands])
    store = OpenStore(client, "events", Events.store.repositories)
    store.make_indexes()
    fill(store)
    yield store
    client.close()


def fill(store: OpenStore) -> None:
    for number in range(GROUPS):
        seen = {
            "slug": f"group-{number}",
            "name": "Group",
            "visibility": "public",
            "interests": ["kittens", str(number)],
        }
        store.groups.project(f"grp_{number}", 1, seen)
    for number in range(PEOPLE):
        person = {"id": f"psn_{number}", "handle": f"p{number}", "display_name": "P"}
        store.people.note(person, 1)
        for group in range(GROUPS):
            store.memberships.note(f"grp_{group}", person["id"], 1, "active" if number % 2 else "left", "member")
        store.calendars.renew(person["id"], f"digest of {person['id']}", NOW)
        store.check_ins.add(CheckIn("evt_1", person["id"], NOW))
    for number in range(PEOPLE):
        first = schedule(number)
        group = Group(first.group_id, "group", "Group", "public", [], False, 1)
        store.series.add(series_model.found(group, first, "FREQ=DAILY", NOW))
    for number in range(EVENTS):
        event = schedule(number)
        event.series, event.occurrence = f"ser_{number % PEOPLE}", event.starts_at_local
        store.events.add(event)
        book = Book(event)
        for person in range(PEOPLE if number == 0 else 3):
            answer = ("going", "maybe", "not_going", "going")[person % 4]
            caller = {"id": f"psn_{person}", "handle": f"p{person}", "display_name": "P"}
            book.answer(caller, answer, person % 3, NOW, 1)
        store.rsvps.save(book)
        store.events.save_seats(event)


def schedule(number: int) -> model.Event:
    group = Group(
        f"grp_{number % GROUPS}", "group", "Group", ("public", "private")[number % 3 == 0], ["kittens"], False, 1
    )
    start = datetime(2026, 12, 1, 19) + timedelta(hours=number)  # noqa: DTZ001 - the wall clock's
    wanted = {
        "title": "Brunch",
        "starts_at": start,
        "ends_at": start + timedelta(hours=1),
        "time_zone": "UTC",
        "capacity": 2,
        "max_guests": 3,
        "venue": {"name": "Café", "location": {"lat": number % 90, "lon": number % 180}},
    }
    return model.schedule(group, f"psn_{number % PEOPLE}", wanted, [Host(f"psn_{number % PEOPLE}", "p")], NOW)


def wanted(**different: Any) -> Wanted:
    return Wanted(**{"since": NOW, "to": NOW + timedelta(days=90), "after": [1_796_000_000_000, "evt_1"], **different})


def first(store: OpenStore) -> model.Event:
    return store.events.listed(Wanted(NOW))[0]


def of_group(store: OpenStore) -> list[Series]:
    return list(store.series.growing_of_group("grp_1"))


def asked_again(store: OpenStore) -> model.Event:
    event = first(store)
    event.asked_from = 2
    return event


def nobodys() -> Rsvp:
    return Rsvp("evt_none", "psn_none", "none", "None", GOING, 0, 1, NOW, 1)


BOTH = {"interests": ["kittens", "bacon"], "near": (38.9, -77.0), "kind": "in_person"}

QUERIES = {
    "groups.find by id": lambda s: s.groups.find("grp_1"),
    "groups.find by slug": lambda s: s.groups.find("group-1"),
    "groups.hold": lambda s: s.groups.hold("grp_1"),
    "groups.project": lambda s: s.groups.project("grp_1", 1, {"name": "Group"}),
    "groups.archive": lambda s: s.groups.archive("grp_9"),
    "events.archive_group": lambda s: s.events.archive_group("grp_9"),
    "memberships.get": lambda s: s.memberships.get("grp_1", "psn_1"),
    "memberships.of": lambda s: s.memberships.of("grp_1", ["psn_1", "psn_2"]),
    "memberships.groups_of": lambda s: s.memberships.groups_of("psn_1"),
    "memberships.held_about": lambda s: s.memberships.held_about("psn_1"),
    "memberships.forget": lambda s: s.memberships.forget("psn_nobody"),
    "people.by_handles": lambda s: s.people.by_handles(["p1", "p2"]),
    "people.named": lambda s: s.people.named(["psn_1", "psn_2"]),
    "people.gone": lambda s: s.people.gone(["psn_1", "psn_2"]),
    "people.open_to_meet": lambda s: s.people.open_to_meet(["psn_1", "psn_2"]),
    "people.met": lambda s: s.people.met("psn_1"),
    "people.held_about": lambda s: s.people.held_about("psn_1"),
    "people.hold_all": lambda s: s.people.hold_all(["psn_1", "psn_2"]),
    "people.hold": lambda s: s.people.hold("psn_1"),
    "calendars.renew": lambda s: s.calendars.renew("psn_1", "digest of psn_1", NOW),
    "calendars.owner": lambda s: s.calendars.owner("digest of psn_2"),
    "calendars.held_about": lambda s: s.calendars.held_about("psn_1"),
    "calendars.forget": lambda s: s.calendars.forget("psn_nobody"),
    "check_ins.find": lambda s: s.check_ins.find("evt_1", "psn_1"),
    "check_ins.all_of": lambda s: s.check_ins.all_of("psn_1"),
    "check_ins.forget": lambda s: s.check_ins.forget("psn_nobody"),
    "events.find": lambda s: s.events.find("evt_1"),
    "events.take_turn": lambda s: s.events.take_turn("evt_1"),
    "events.take_turns": lambda s: s.events.take_turns("grp_1", NOW),
    "events.save": lambda s: s.events.save(first(s)),
    "events.renew_group": lambda s: s.events.renew_group(Group("grp_1", "group", "Group", "public", [], False, 0)),
    "events.listed": lambda s: s.events.listed(wanted()),
    "events.listed by interest": lambda s: s.events.listed(wanted(interests=["kittens"])),
    "events.listed by all": lambda s: s.events.listed(wanted(**BOTH)),
    "events.listed with groups": lambda s: s.events.listed(wanted(), ["grp_1", "grp_2"]),
    "events.listed by all with groups": lambda s: s.events.listed(wanted(**BOTH), ["grp_1", "grp_2"]),
    "events.of_group": lambda s: s.events.of_group(wanted(group="grp_1"), all_of_them=True),
    "events.of_group for strangers": lambda s: s.events.of_group(wanted(group="grp_1", **BOTH), all_of_them=False),
    "events.answered": lambda s: s.events.answered(["evt_1", "evt_2"], wanted(), ["grp_1"]),
    "events.mine": lambda s: s.events.mine("psn_1", ["evt_1", "evt_2"], wanted(), ["grp_1"]),
    "events.of_ids": lambda s: s.events.of_ids(["evt_1", "evt_2"]),
    "events.hosted_by": lambda s: s.events.hosted_by("psn_1"),
    "events.scheduled_by": lambda s: s.events.scheduled_by("psn_1"),
    "events.due": lambda s: s.events.due(NOW + timedelta(days=90), 100),
    "events.take_turns_of_series": lambda s: s.events.take_turns_of_series("ser_1", NOW),
    "events.cut_series": lambda s: s.events.cut_series("ser_1", first(s), "ser_2"),
    "events.by_other_rules": lambda s: s.events.by_other_rules("2999z", NOW, 100),
    "events.of_group in a series": lambda s: s.events.of_group(
        wanted(group="grp_1", series="ser_1"), all_of_them=False
    ),
    "series.find": lambda s: s.series.find("ser_1"),
    "series.of_ids": lambda s: s.series.of_ids(["ser_1"]),
    "series.take_turn": lambda s: s.series.take_turn("ser_1"),
    "series.save": lambda s: s.series.save(of_group(s)[0]),
    "series.save_all": lambda s: s.series.save_all(of_group(s)),
    "series.due": lambda s: s.series.due(NOW + timedelta(days=900), 100),
    "series.growing_of_group": of_group,
    "series.forget": lambda s: s.series.forget("psn_nobody"),
    "events.forget": lambda s: s.events.forget("psn_nobody"),
    "rsvps.book": lambda s: s.rsvps.book(first(s), ["psn_1", "psn_2"]),
    "rsvps.save": lambda s: s.rsvps.save(touched(s)),
    "rsvps.void": lambda s: s.rsvps.void([asked_again(s)], 10),
    "rsvps.remove": lambda s: s.rsvps.remove([nobodys()]),
    "rsvps.find": lambda s: s.rsvps.find(first(s).id, "psn_3"),
    "rsvps.of_person": lambda s: s.rsvps.of_person("psn_3", ["evt_1", "evt_2"]),
    "rsvps.events_of": lambda s: s.rsvps.events_of("psn_1", [GOING, WAITLISTED, MAYBE, NOT_GOING]),
    "rsvps.may_come_to": lambda s: s.rsvps.may_come_to("psn_1"),
    "rsvps.all_of": lambda s: s.rsvps.all_of("psn_1"),
    "rsvps.of_event": lambda s: s.rsvps.of_event(first(s).id, None, None, 20),
    "rsvps.of_event after": lambda s: s.rsvps.of_event(first(s).id, None, ["going", 3], 20),
    "rsvps.of_event of a status after": lambda s: s.rsvps.of_event(first(s).id, WAITLISTED, [WAITLISTED, 3], 20),
    "rsvps.going": lambda s: s.rsvps.going(first(s).id, 100, 20),
    "rsvps.forget": lambda s: s.rsvps.forget("psn_nobody"),
}
SORTS_IN_MEMORY = {
    # Of one person's own answers, or of a place: there are few, and no index has both orders.
    "events.listed by all",
    "events.listed by all with groups",
    "events.of_group for strangers",
    "events.answered",
    "events.mine",
}


def touched(store: OpenStore) -> Book:
    book: Book = store.rsvps.book(first(store), ["psn_1"])
    book.changed = dict(book.rsvps)
    return book


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_has_its_index(opened: OpenStore, commands: Commands, name: str) -> None:
    commands.kept.clear()
    QUERIES[name](opened)
    asked = list(commands.kept)
    assert asked
    for command in asked:
        stages = list(stages_of(explain(opened, command)))
        assert "COLLSCAN" not in stages, command
        if name not in SORTS_IN_MEMORY:
            assert "SORT" not in stages, command


def test_every_method_that_asks_the_database_is_explained(opened: OpenStore) -> None:
    explained = {name.partition(" ")[0] for name in QUERIES}
    made_of_others = {
        "events.add",
        "events.add_all",
        "events.save_all",
        "series.add",
        "check_ins.add",
        "events.save_seats",
        "memberships.note",
        "people.note",
        "people.erase",
    }
    # Called by others, or explained as projections.
    made_of_others |= {"rsvps.note_positions", "memberships.project", "people.project"}
    for name in opened.repositories:
        methods = [one for one in dir(getattr(opened, name)) if callable(getattr(getattr(opened, name), one))]
        public = {f"{name}.{one}" for one in methods if not one.startswith("_") and one != "documents"}
        assert public <= explained | made_of_others, public - explained - made_of_others


def explain(store: OpenStore, command: dict[str, Any]) -> dict[str, Any]:
    left_out = ("lsid", "$clusterTime", "$db", "$readPreference", "txnNumber", "writeConcern", "readConcern")
    asked = {key: value for key, value in command.items() if key not in left_out}
    if "updates" in asked:
        asked["updates"] = asked["updates"][:1]
    explained: dict[str, Any] = store.database.command("explain", asked, verbosity="queryPlanner")
    return explained


def stages_of(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "rejectedPlans" in plan:
            plan = {key: value for key, value in plan.items() if key != "rejectedPlans"}
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for value in plan.values():
            yield from stages_of(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from stages_of(value)
