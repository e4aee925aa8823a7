"""People and groups for the benches to play with, made over HTTP as anybody would make them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection
from tests.bench.client import Api
from tests.bench.stage import SERVICES, Stage

from chassis.ids import new_id
from groups.people.model import Person
from groups.sessions.signing import access_token

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class SignedIn:
    """Somebody with an account who has signed in."""

    id: str
    handle: str
    token: str
    session: str
    api: Api


def sign_up(port: int, handle: str) -> SignedIn:
    """Register a person and sign them in."""
    anybody = Api(port)
    anybody.post("/v1/people", {"handle": handle, "display_name": handle.capitalize(), "password": PASSWORD})
    session = anybody.post("/v1/sessions", {"handle": handle, "password": PASSWORD})
    token = session["access_token"]
    return SignedIn(session["person"]["id"], handle, token, _claims(token)["sid"], Api(port, token))


def token_for(stage: Stage, person: str, handle: str, session: str, now: datetime) -> SignedIn:
    """Sign somebody in of whom only the databases know, with the platform's own key: hashing 500 passwords takes a minute."""
    known = Person(person, handle, handle.capitalize(), now, now, 1)
    token = access_token(stage.platform.signing_key, known, session, now)
    return SignedIn(person, handle, token, session, Api(stage.platform.port, token))


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def new_group(name: str, interests: list[str]) -> dict[str, Any]:
    """The body that founds a local group of a usual size."""
    return {
        "name": name,
        "interests": interests,
        "scope": "local",
        "summary": "For people who like both, not either or.",
        "description": "We meet every other week, cook together and bring the cats along where the host allows it. "
        * 5,
        "place": {
            "name": "Washington",
            "country": "US",
            "region": "US-DC",
            "location": {"lat": 38.9072, "lon": -77.0369},
        },
        "rules": "Be kind. Bring something to share.",
    }


def tell_apart(document: dict[str, Any], **changed: str) -> dict[str, Any]:
    """A copy of a document in which each given text, wherever it stands, is another: `tell_apart(found, **{ben.id: new_id})`."""

    def copy(value: Any) -> Any:
        if isinstance(value, str):
            for old, new in changed.items():
                value = value.replace(old, new)
            return value
        if isinstance(value, dict):
            return {name: copy(inner) for name, inner in value.items()}
        return [copy(inner) for inner in value] if isinstance(value, list) else value

    made: dict[str, Any] = copy(document)
    return made


def multiply(
    collection: Collection[dict[str, Any]], document: dict[str, Any], copies: Iterable[dict[str, str]]
) -> None:
    """Keep copies of a document that the platform itself made, so that they are as it makes them, whatever that is."""
    batch: list[dict[str, Any]] = []
    for changed in copies:
        batch.append(tell_apart(document, **changed))
        if len(batch) == 10_000:
            collection.insert_many(batch, ordered=False)
            batch = []
    if batch:
        collection.insert_many(batch, ordered=False)


def multiply_all_of(stage: Stage, person: SignedIn, copies: Sequence[dict[str, str]]) -> None:
    """Copy what the services keep of a person and their session under their ids, in all their databases, to other people."""
    for service in SERVICES:
        database = stage.database(service)
        for name in database.list_collection_names(filter={"name": {"$not": {"$regex": "^system"}}}):
            for document in database[name].find({}):
                if any(one in str(document["_id"]) for one in (person.id, person.session)):
                    multiply(database[name], document, copies)


def crowd_of(stage: Stage, first: SignedIn, people: int) -> list[SignedIn]:
    """So many people who are to the services what the first one is, who is one of them."""
    crowd = [first]
    copies = []
    for number in range(1, people):
        handle = f"{first.handle}{number:04}"
        person, session = new_id("psn"), new_id("ses")
        copies.append({first.id: person, first.handle: handle, first.session: session})
        crowd.append(token_for(stage, person, handle, session, datetime.now(UTC)))
    multiply_all_of(stage, first, copies)
    return crowd


def new_event(title: str, starts_at: datetime, **more: Any) -> dict[str, Any]:
    """The body that schedules an event of two hours."""
    return {
        "title": title,
        "starts_at": f"{starts_at:%Y-%m-%dT%H:%M}",
        "ends_at": f"{starts_at + timedelta(hours=2):%Y-%m-%dT%H:%M}",
        "time_zone": "America/New_York",
        "venue": {"name": "The Kitchen", "address": "1 Main Street, Washington"},
        **more,
    }


def join(person: SignedIn, group: dict[str, Any]) -> None:
    """Have a person join a group."""
    person.api.post(f"/v1/groups/{group['id']}/members")


def wait_until_heard(host: SignedIn, member: SignedIn, group: dict[str, Any]) -> None:
    """Schedule events until the member hears of one: then every service knows the group and who is in it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        event = host.api.post(
            f"/v1/groups/{group['id']}/events", new_event("A first meeting", datetime.now(UTC) + timedelta(days=3))
        )
        soon = time.monotonic() + 2
        while time.monotonic() < soon:
            items = member.api.get("/v1/inbox")["items"]
            if any(item["subject"]["id"] == event["id"] for item in items):
                return
            time.sleep(0.02)
    raise RuntimeError("The member hears nothing of the group.")
