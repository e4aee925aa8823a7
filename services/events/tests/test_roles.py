"""Every endpoint, as everybody: what each may see and do, and that an event for some shows nowhere to others.

An endpoint that the service's contract has, and of which nothing stands here, fails a test.
"""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.api_client import ApiAnswer
from chassis.contract import contract_of
from chassis.ids import new_id
from events.service import Events

ROUTES = {f"{one['method']} {one['path']}": one for one in contract_of(Events)["routes"]}
MARK = "quietly-hidden"

WHO = (
    "anyone",
    "stranger",
    "pending",
    "banned",
    "member",
    "going",
    "waitlisted",
    "host",
    "moderator",
    "organizer",
)
OUTSIDE = WHO[:4]
ALL = (200,) * 10
MEMBERS = (401, 403, 403, 403, 200, 200, 200, 200, 200, 200)
RUNNERS = (401, 403, 403, 403, 403, 403, 403, 200, 200, 200)

OF_EVENT: dict[str, tuple[Any, tuple[int, ...]]] = {
    "GET /v1/events/{event}": (None, ALL),
    "GET /v1/events/{event}/calendar.ics": (None, ALL),
    "GET /v1/series/{series}": (None, ALL),
    "PATCH /v1/events/{event}": ({"description": "Different"}, RUNNERS),
    "POST /v1/events/{event}/cancellation": ({}, RUNNERS),
    "PUT /v1/events/{event}/rsvps/me": ({"answer": "maybe"}, (401, 200, 200, 403, 200, 200, 200, 200, 200, 200)),
    "GET /v1/events/{event}/rsvps": (None, MEMBERS),
    "GET /v1/events/{event}/icebreakers": (None, (401, 403, 403, 403, 403, 200, 403, 403, 403, 403)),
    "POST /v1/events/{event}/check-ins": (
        lambda stage: {"handle": stage.people.going.handle},
        (401, 403, 403, 403, 403, 403, 403, 201, 201, 201),
    ),
}
"""What is sent, and the status for each of WHO, where everybody may see the event."""

OF_GROUP: dict[str, tuple[Any, tuple[int, ...]]] = {
    "GET /v1/groups/{group}/calendar.ics": (None, ALL),
    "POST /v1/groups/{group}/events": (
        lambda stage: stage.plan,
        (401, 403, 403, 403, 403, 403, 403, 403, 201, 201),
    ),
}
"""The same, where everybody may know of the group."""

ELSEWHERE: dict[str, tuple[Any, int, int]] = {
    "GET /v1/events": (None, 200, 200),
    "GET /v1/calendars/{file}": (None, 404, 404),
    "POST /v1/me/calendar": (None, 401, 201),
    "GET /v1/me/events": (None, 401, 200),
    "GET /v1/me/export/events": (None, 401, 200),
}
"""What is sent, and the status for who has not signed in and for who has."""

VISIBILITIES = [("public", "public"), ("public", "group"), ("unlisted", "public"), ("private", "public")]
"""Of the group, and of the event."""

Stage = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def stages() -> dict[tuple[str, str], Any]:
    return {}


@pytest.fixture
def staged(world: Any, stages: dict[tuple[str, str], Any]) -> Stage:
    """An event of this visibility, in half an hour, where each of WHO is what they are called: `staged("private", "public")`.

    Tests share it; `stage.renew()` gives it a new event, for who changed the last one.
    """

    def schedule(stage: Any) -> None:
        stage.link = f"https://meet.example/{new_id('')}"
        event = world.schedule(
            stage.group, as_=stage.people.organizer, **stage.plan, hosts=[stage.people.host.handle], join_url=stage.link
        )
        world.goes(event, stage.people.going, stage.people.waitlisted)
        stage.event = event
        stage.ids = {"event": event["id"], "group": stage.group["id"], "series": stage.series}
        stage.version = world.read(event, stage.people.organizer)["version"]

    def staged(of_group: str, of_event: str) -> Any:
        if (of_group, of_event) not in stages:
            people = SimpleNamespace(anyone=None, **{name: world.person(name) for name in WHO[1:]})
            members = [getattr(people, name) for name in WHO[4:9]]
            visibility = {"visibility": of_group, "interests": [MARK, "bacon"]}
            group = world.group(*members, people.banned, lead=people.organizer, **visibility)
            world.registered(people.stranger, people.pending)
            requested = {"group": {one: group[one] for one in ("id", "slug", "name")}, "answer": None}
            requested["person"] = {"id": people.pending.id, "handle": people.pending.handle, "display_name": "Pending"}
            world.tell("groups.join.requested.v1", group["id"], requested)
            world.member("role_changed", group, people.moderator, "moderator")
            world.member("banned", group, people.banned)
            world.settled()
            start = datetime.now(UTC) + timedelta(minutes=30)
            plan = {"title": MARK, "starts_at": f"{start:%Y-%m-%dT%H:%M}", "time_zone": "UTC", "capacity": 1}
            plan |= {"ends_at": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}", "visibility": of_event}
            stage = SimpleNamespace(people=people, group=group, plan=plan)
            stage.venue = {"name": "Hall", "location": {"lat": 1.5, "lon": 2.5}}
            stage.plan["venue"] = stage.venue
            weekly = {**plan, "recurrence": "FREQ=WEEKLY;COUNT=2"}
            stage.series = world.schedule(group, as_=people.organizer, **weekly)["id"]
            schedule(stage)
            stages[of_group, of_event] = stage
        stage = stages[of_group, of_event]
        stage.renew = lambda: schedule(stage)
        return stage

    return staged


def expected(route: str, of_group: str, of_event: str) -> tuple[int, ...]:
    """The status that each of WHO gets of an endpoint."""
    statuses = (OF_EVENT.get(route) or OF_GROUP[route])[1]
    open_to_all = of_group != "private" and (route in OF_GROUP or of_event == "public")
    if open_to_all:
        return statuses
    nobody = 401 if ROUTES[route]["access"] != "anyone" else 404
    return (nobody, 404, 404, 404, *statuses[4:])


def at_once(world: Any, stage: Any, calls: list[tuple[str, str, Any, str]]) -> list[ApiAnswer]:
    """The answers to calls of which a few are sent before one is awaited: `(method, path, body, who)`."""
    answers = []
    for number in range(0, len(calls), 20):
        few = calls[number : number + 20]
        sent = [world.api.send(method, path, body, as_=getattr(stage.people, who)) for method, path, body, who in few]
        answers += [world.api.receive(one) for one in sent]
    return answers


def test_of_every_endpoint_it_stands_here_what_each_may_do() -> None:
    assert set(ROUTES) == {*OF_EVENT, *OF_GROUP, *ELSEWHERE}
    assert len(OF_EVENT) + len(OF_GROUP) + len(ELSEWHERE) == len(ROUTES)


@pytest.mark.parametrize(("of_group", "of_event"), VISIBILITIES)
@pytest.mark.parametrize("route", [*OF_EVENT, *OF_GROUP])
def test_each_may_do_what_is_theirs_and_no_more(
    world: Any, staged: Stage, route: str, of_group: str, of_event: str
) -> None:
    method, path = route.split()
    body = (OF_EVENT.get(route) or OF_GROUP[route])[0]
    stage = staged(of_group, of_event)
    given = body(stage) if callable(body) else body
    allowed = dict(zip(WHO, expected(route, of_group, of_event), strict=True))
    # Together, since each who may not waits a moment for the message that they may: they change nothing.
    refused = [who for who in WHO if allowed[who] >= 300 or method == "GET"]
    answers = at_once(world, stage, [(method, path.format(**stage.ids), given, who) for who in refused])
    statuses = dict(zip(refused, [one.status for one in answers], strict=True))
    assert world.read(stage.event, stage.people.organizer)["version"] == stage.version
    assert not [one for one in answers if one.status == 404 and MARK in one.body.decode()]
    for who in WHO:
        if who not in refused:
            answer = world.api.call(method, path.format(**stage.ids), given, as_=getattr(stage.people, who))
            statuses[who] = answer.status
            stage.renew()
    assert statuses == allowed


@pytest.mark.parametrize("route", ELSEWHERE)
def test_what_is_ones_own_needs_signing_in(world: Any, route: str) -> None:
    body, anyone, signed_in = ELSEWHERE[route]
    method, path = route.split()
    path = path.format(file="x.ics")
    assert world.api.call(method, path, body).status == anyone
    assert world.api.call(method, path, body, as_=world.eve).status == signed_in


@pytest.mark.parametrize(("of_group", "of_event"), VISIBILITIES)
def test_the_join_link_is_for_who_is_going_and_for_hosts_wherever_the_event_is_shown(
    world: Any, staged: Stage, of_group: str, of_event: str
) -> None:
    stage = staged(of_group, of_event)
    paths = [
        f"/v1/events/{stage.event['id']}",
        f"/v1/events?limit=100&group={stage.group['id']}",
        "/v1/events?limit=100&near=1.5,2.5",
    ]
    paths += [f"/v1/events/{stage.event['id']}/calendar.ics", f"/v1/groups/{stage.group['id']}/calendar.ics"]
    own = [
        "/v1/events?limit=100&mine=true",
        "/v1/me/events",
        "/v1/me/export/events",
        f"/v1/events/{stage.event['id']}/rsvps",
    ]
    calls = [("GET", path, None, who) for who in WHO for path in [*paths, *(own if who != "anyone" else [])]]
    answers = at_once(world, stage, calls)
    shown = {
        (who, path)
        for (_, path, _, who), answer in zip(calls, answers, strict=True)
        if stage.link in answer.body.decode().replace("\r\n ", "")
    }
    assert shown == {
        (who, path) for who in ("going", "host") for path in [*paths, "/v1/events?limit=100&mine=true"]
    } | {("going", "/v1/me/events")}


@pytest.mark.parametrize(("of_group", "of_event"), VISIBILITIES)
def test_the_open_search_shows_public_events_of_public_groups_to_all_and_ones_own_groups_to_members(
    world: Any, staged: Stage, of_group: str, of_event: str
) -> None:
    stage = staged(of_group, of_event)
    queries = ["near=1.5,2.5", f"interest={MARK}", f"interest={MARK}&interest=bacon&near=1.5,2.5&kind=in_person"]
    asked = list(itertools.product(WHO, queries))
    answers = at_once(world, stage, [("GET", f"/v1/events?{query}&limit=100", None, who) for who, query in asked])
    for (who, query), answer in zip(asked, answers, strict=True):
        found = {one["id"] for one in answer.json()["items"]}
        sees = who not in OUTSIDE or (of_group, of_event) == ("public", "public")
        assert (stage.event["id"] in found) == sees, (who, query)
    for who in OUTSIDE[1:]:
        for path in ("/v1/events?limit=100&mine=true", "/v1/me/events", "/v1/me/export/events"):
            assert stage.event["id"] not in world.api.get(path, as_=getattr(stage.people, who)).body.decode()
