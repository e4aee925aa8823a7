"""Whatever is wrong with a request is told as what it is, and changes nothing: each class of it, at every endpoint."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.contract import contract_of
from chassis.testing import wait_until
from events.service import Events

ROUTES = [f"{one['method']} {one['path']}" for one in contract_of(Events)["routes"]]
WRITING = [route for route in ROUTES if not route.startswith("GET")]
BODILESS = "POST /v1/me/calendar"

NOT_JSON = [b"{", b"\xff\xfe{}", b'{"title": NaN}', b'{"title": "a", "title": "b"}', b"[" * 5_000, b"title=Brunch"]
NOT_AN_OBJECT = [b"[]", b'"title"', b"1", b"null", b"true"]

TEXT, LONG = "a\u0000b", "a\u0007b"
WRONG: dict[str, list[tuple[dict[str, Any], str]]] = {
    "POST /v1/groups/{group}/events": [
        ({"description": "x" * 10_001}, "/description"),
        ({"description": TEXT}, "/description"),
        ({"title": "x" * 121}, "/title"),
        ({"title": LONG}, "/title"),
        ({"title": 7}, "/title"),
        ({"venue": "Café"}, "/venue"),
        ({"venue": {"name": "x" * 201}}, "/venue/name"),
        ({"venue": {"name": "Café", "location": {"lat": "1", "lon": 2}}}, "/venue/location/lat"),
        ({"venue": {"name": "Café", "location": {"lat": 1}}}, "/venue/location/lon"),
        ({"venue": {"name": "Café", "colour": "red"}}, "/venue/colour"),
        ({"join_url": "https://" + "x" * 2_000}, "/join_url"),
        ({"capacity": True}, "/capacity"),
        ({"capacity": 10**30}, "/capacity"),
        ({"max_guests": None}, "/max_guests"),
        ({"hosts": "ana"}, "/hosts"),
        ({"hosts": ["x"] * 21}, "/hosts"),
        ({"hosts": [1]}, "/hosts/0"),
        (
            {"starts_at": "9999-12-31T23:59", "ends_at": "9999-12-31T23:59", "time_zone": "America/New_York"},
            "/starts_at",
        ),
        ({"time_zone": "europe/berlin"}, "/time_zone"),
        ({"time_zone": None}, "/time_zone"),
    ],
    "PATCH /v1/events/{event}": [
        ({"title": "ab"}, "/title"),
        ({"description": TEXT}, "/description"),
        ({"kind": "secret"}, "/kind"),
        ({"capacity": 0}, "/capacity"),
        ({"capacity": "2"}, "/capacity"),
        ({"max_guests": 11}, "/max_guests"),
        ({"visibility": "secret"}, "/visibility"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": None}, "/time_zone"),
        ({"starts_at": None}, "/starts_at"),
        ({"starts_at": "2090-02-30T19:00"}, "/starts_at"),
        ({"join_url": "http://meet.example"}, "/join_url"),
        ({"venue": {"name": "Café", "location": {"lat": 91, "lon": 0}}}, "/venue/location/lat"),
        ({"venue": {"name": "Café", "location": {"lat": 1}}}, "/venue/location"),
        ({"hosts": []}, "/hosts"),
        ({"hosts": ["nobody_at_all"]}, "/hosts/0"),
        ({"rsvp_closes_at": "soon"}, "/rsvp_closes_at"),
        ({"rsvp_closes_at": "2095-07-01T19:00"}, "/rsvp_closes_at"),
        ({"seats_taken": 0}, "/seats_taken"),
        ({"version": 9}, "/version"),
    ],
    "POST /v1/events/{event}/cancellation": [
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": TEXT}, "/reason"),
        ({"reason": 1}, "/reason"),
        ({"reason": ["Rain"]}, "/reason"),
    ],
    "PUT /v1/events/{event}/rsvps/me": [
        ({"guests": 1}, "/answer"),
        ({"answer": "waitlisted"}, "/answer"),
        ({"answer": None}, "/answer"),
        ({"answer": ["going"]}, "/answer"),
        ({"answer": "going", "guests": 11}, "/guests"),
        ({"answer": "going", "guests": 2}, "/guests"),
        ({"answer": "maybe", "guests": 2}, "/guests"),
        ({"answer": "going", "guests": 0.5}, "/guests"),
        ({"answer": "going", "guests": None}, "/guests"),
    ],
    "POST /v1/events/{event}/check-ins": [
        ({}, "/handle"),
        ({"handle": ""}, "/handle"),
        ({"handle": 1}, "/handle"),
        ({"handle": "x" * 31}, "/handle"),
        ({"handle": {"$ne": ""}}, "/handle"),
        ({"handle": TEXT}, "/handle"),
    ],
}
"""A body that is wrong, and where; what else is needed is right."""


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {}


@pytest.fixture
def event(world: Any, kept: dict[str, Any]) -> dict[str, Any]:
    """An event that begins in half an hour, which Ana hosts and Ben goes to; the tests share it, for they change nothing."""
    if not kept:
        start = datetime.now(UTC) + timedelta(minutes=30)
        times = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}"}
        event = world.schedule(world.group(world.ben), capacity=1, max_guests=1, **times)
        world.goes(event, world.ben)
        wait_until(lambda: not everything(world)["outbox"], what="telling it")
        kept |= {"event": event, "ana": world.ana}
    found: dict[str, Any] = kept["event"]
    return found


def everything(world: Any) -> dict[str, list[Any]]:
    """All that the service keeps and has yet to tell."""
    names = ("events", "rsvps", "check_ins", "calendars", "idempotency", "outbox")
    return {name: list(world.store.database[name].find().sort("_id")) for name in names}


def answers(world: Any, kept: dict[str, Any], route: str, bodies: list[Any], query: str = "") -> list[Any]:
    """What Ana is answered to each of these bodies, of which nothing may change anything."""
    method, path = route.split()
    event = kept["event"]
    path = path.format(event=event["id"], group=event["group"]["id"], series="ser_0", file="x.ics") + query
    before = everything(world)
    sent = [
        world.api.send(method, path, as_=kept["ana"], **({"body": one} if isinstance(one, bytes) else {"json": one}))
        for one in bodies
    ]
    received = [world.api.receive(one) for one in sent]
    assert everything(world) == before
    return received


@pytest.mark.parametrize("route", WRITING)
def test_what_is_no_json_is_malformed(world: Any, event: Any, kept: Any, route: str) -> None:
    told = answers(world, kept, route, NOT_JSON)
    assert {(one.status, one.problem) for one in told} == {(400, "malformed-request")}


@pytest.mark.parametrize("route", [route for route in WRITING if route != BODILESS])
def test_what_is_no_object_or_has_a_field_of_another_name_is_invalid(
    world: Any, event: Any, kept: Any, route: str
) -> None:
    told = answers(world, kept, route, [*NOT_AN_OBJECT, {"colour": "red"}, {"$set": {"capacity": 9}}])
    assert {(one.status, one.problem) for one in told} == {(422, "invalid")}
    assert "/colour" in [error["pointer"] for error in told[-2].json()["errors"]]


def test_a_body_where_none_is_taken_is_malformed(world: Any, event: Any, kept: Any) -> None:
    told = answers(world, kept, BODILESS, [{}, {"secret": "mine"}])
    assert {(one.status, one.problem) for one in told} == {(400, "malformed-request")}


@pytest.mark.parametrize("route", ROUTES)
def test_a_parameter_of_another_name_or_one_that_cannot_be_read_is_malformed(
    world: Any, event: Any, kept: Any, route: str
) -> None:
    for query in ("?colour=red", "?limit=%ff", "?cursor=%00", "?" + "&".join(f"a{number}=1" for number in range(200))):
        (told,) = answers(world, kept, route, [b""], query)
        assert (told.status, told.problem) == (400, "malformed-request"), (query, told.body)


@pytest.mark.parametrize("route", WRONG)
def test_a_field_that_is_wrong_is_invalid_and_named(world: Any, event: Any, kept: Any, route: str) -> None:
    plan = world.plan() if route.endswith("/events") else {}
    told = answers(world, kept, route, [{**plan, **body} for body, _ in WRONG[route]])
    for (body, pointer), answer in zip(WRONG[route], told, strict=True):
        assert (answer.status, answer.problem) == (422, "invalid"), (body, answer.body)
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], (body, answer.body)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{event}" in route or "{group}" in route])
def test_an_id_that_is_none_is_not_found(world: Any, event: Any, kept: Any, route: str) -> None:
    method, path = route.split()
    body = {"answer": "going"} if method == "PUT" else {"handle": "ana"} if "check" in path else {}
    body = world.plan() if path.endswith("/events") else body
    before = everything(world)
    wrong = ("evt_0", "%00", "%24ne", "..", "x" * 300, "%F0%9F%90%B1")
    for number in [
        world.api.send(method, path.format(event=one, group=one), None if method == "GET" else body, as_=kept["ana"])
        for one in wrong
    ]:
        answer = world.api.receive(number)
        assert (answer.status, answer.problem) == (404, "not-found"), answer.body
    assert everything(world) == before
