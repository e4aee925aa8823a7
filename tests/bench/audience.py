"""A notice to a group costs the same however many hear it, each has it at once, and many groups read about as fast as one."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.figures import Figure, Result, Target, latencies, percentile
from tests.bench.load import Request
from tests.bench.rounds import Server, take_turns
from tests.bench.scene import (
    SignedIn,
    join,
    multiply,
    new_event,
    new_group,
    sign_up,
    token_for,
    wait_until_heard,
)
from tests.bench.stage import SERVICES, Stage

from chassis.ids import new_id

TITLE = "A notice to 1,000,000 members against one to 100; an inbox of 200 groups against one of one"
FEW, MANY = 100, 1_000_000
ELSEWHERE = 100_000
"""How many of the members the services know that do not deliver notices: they are there to show that nothing is written."""
GROUPS, NOTICES = 200, 30
SAMPLE = 100
LOOK_SECONDS = 0.005
"""How long a member waits between two looks: what is seen is this, and one look, late at most. Looking without a pause, the
member alone would keep the gateway and the service busy that the notice has to come through."""


def measure(stage: Stage, *, quick: bool) -> Result:
    """Count what is written for one event in each group, and see it arrive; then load two people's inboxes in turns."""
    port = stage.platform.port
    host, member = sign_up(port, "paula"), sign_up(port, "pete")
    small, _ = _group(stage, host, member, "A Hundred", FEW)
    many = 2_000 if quick else MANY
    large, sample = _group(stage, host, member, "A Million", many)
    writes = {name: _writes(stage, host, member, group) for name, group in (("few", small), ("many", large))}
    heard = [_hears(stage, host, large, person) for person in sample[: 10 if quick else SAMPLE]]
    one, several = _readers(stage, host)
    take_turns(stage, [one, several], rounds=2 if quick else 6, seconds=1 if quick else 2, connections=1)
    written = {name: sum(counted.values()) for name, counted in writes.items()}
    slower = percentile(several.latencies, 99) / percentile(one.latencies, 99)
    since_told = [seconds for _, seconds in heard]
    return Result(
        figures=[
            Figure(f"documents written for a notice to {FEW:,}", value=written["few"]),
            Figure(f"documents written for a notice to {many:,}", value=written["many"]),
            latencies(f"until one of {many:,} members has it, from the request", [seconds for seconds, _ in heard]),
            latencies(f"until one of {many:,} members has it, from its answer", since_told),
            one.figure(),
            several.figure(),
        ],
        targets=[
            Target("documents written for many, beside those for few", written["many"] - written["few"], 0, "exactly"),
            Target(
                "p99 until a member has it, from the answer", percentile(since_told, 99) * 1000, 100, "at most", "ms"
            ),
            Target("times the p99 of a page of one group's notices", slower, 2, "at most"),
        ],
        details={"written": {name: dict(counted) for name, counted in writes.items()}},
    )


def _group(stage: Stage, host: SignedIn, member: SignedIn, name: str, members: int) -> tuple[dict[str, Any], list[str]]:
    """A group with so many members, and some of them by chance: two really joined, the others are kept as the second one."""
    group: dict[str, Any] = host.api.post("/v1/groups", new_group(name, ["crowds", "bacon"]))
    join(member, group)
    wait_until_heard(host, member, group)
    people = [new_id("psn") for _ in range(members - 2)]
    for service, collection in MEMBERSHIPS.items():
        kept = stage.database(service)[collection]
        [found] = [one for one in kept.find({}) if {member.id, group["id"]} <= set(_texts(one))]
        known = people if service == "notifications" else people[:ELSEWHERE]
        multiply(kept, found, ({member.id: person} for person in known))
    stage.database("groups").groups.update_one({"_id": group["id"]}, {"$set": {"member_count": members}})
    return group, random.sample(people, min(SAMPLE, len(people)))


def _hears(stage: Stage, host: SignedIn, group: dict[str, Any], person: str) -> tuple[float, float]:
    """Schedule an event, and look into the inbox of one member until it stands there: seconds since it was asked for,
    and since that was answered."""
    member = token_for(stage, person, f"m{person[-26:].lower()}", new_id("ses"), datetime.now(UTC))
    member.api.get("/v1/inbox")  # the connection is open, and the token known
    body = new_event("All at once", datetime.now(UTC) + timedelta(days=5))
    asked = time.perf_counter()
    event = host.api.post(f"/v1/groups/{group['id']}/events", body)["id"]
    answered = time.perf_counter()
    while not any(item["subject"]["id"] == event for item in member.api.get("/v1/inbox")["items"]):
        if time.perf_counter() > answered + 30:
            raise RuntimeError(f"The notice did not reach the inbox of {person} within 30 s.")
        time.sleep(LOOK_SECONDS)
    seen = time.perf_counter()
    return seen - asked, seen - answered


MEMBERSHIPS = {"groups": "members", "events": "memberships", "notifications": "standings"}


def _texts(document: Mapping[str, Any]) -> list[str]:
    return [value for value in document.values() if isinstance(value, str)]


def _writes(stage: Stage, host: SignedIn, member: SignedIn, group: dict[str, Any]) -> Counter[str]:
    """What the services write, by collection, from before an event is scheduled until its notice is read and all is quiet."""
    begin = stage.client.admin.command("hello")["operationTime"]
    soon = datetime.now(UTC) + timedelta(days=4)
    event = host.api.post(f"/v1/groups/{group['id']}/events", new_event("All together", soon))["id"]
    deadline = time.monotonic() + 30
    while not any(item["subject"]["id"] == event for item in member.api.get("/v1/inbox")["items"]):
        if time.monotonic() > deadline:
            raise RuntimeError("The notice did not reach the inbox within 30 s.")
        time.sleep(0.02)
    counted, before = _written(stage, begin), None
    while counted != before or any(stage.database(service).outbox.find_one() for service in SERVICES):
        if time.monotonic() > deadline:
            raise RuntimeError("What follows from an event did not come to its end within 30 s.")
        # What follows comes within milliseconds of what it follows from: this long without a write, nothing more does.
        time.sleep(0.5)
        counted, before = _written(stage, begin), counted
    return counted


def _written(stage: Stage, begin: Any) -> Counter[str]:
    """What the services wrote since a time of the database, by collection."""
    counted: Counter[str] = Counter()
    for entry in stage.client.local["oplog.rs"].find({"ts": {"$gt": begin}}):
        for one in entry["o"].get("applyOps", [entry]) if entry["op"] == "c" else [entry]:
            if one["op"] in "iud" and _counts(one["ns"]):
                counted[f"{one['op']} {one['ns']}"] += 1
    return counted


def _counts(namespace: str) -> bool:
    """Whether writes there are made for a message: leases are renewed by the clock."""
    database, _, collection = namespace.partition(".")
    return database in SERVICES and collection != "leases"


def _readers(stage: Stage, host: SignedIn) -> tuple[Server, Server]:
    """Somebody in one group and somebody in 200, each group with more notices than a page has."""
    port = stage.platform.port
    one, several = sign_up(port, "rosa"), sign_up(port, "ruth")
    group = host.api.post("/v1/groups", new_group("The First of Many", ["crowds"]))
    for person in (one, several):
        join(person, group)
        wait_until_heard(host, person, group)
    kept = stage.database("notifications")
    [standing] = [found for found in kept.standings.find({"person": several.id}) if found["to"] == group["id"]]
    [notice, *_] = [
        found
        for found in kept.notices.find({})
        if found["kind"] == "event.scheduled" and found["group"]["id"] == group["id"]
    ]
    ids = [group["id"]] + [new_id("grp") for _ in range(GROUPS - 1)]
    multiply(kept.standings, standing, ({group["id"]: other} for other in ids[1:]))
    [known] = kept.groups.find({"_id": group["id"]})
    multiply(kept.groups, known, ({group["id"]: other, group["slug"]: f"{group['slug']}-{other}"} for other in ids[1:]))
    turns = ({group["id"]: ids[number % GROUPS], notice["_id"]: new_id("ntc")} for number in range(GROUPS * NOTICES))
    multiply(kept.notices, {**notice, "at": datetime.now(notice["at"].tzinfo)}, turns)
    return _reader("an inbox page from 1 group, one connection", port, one), _reader(
        f"an inbox page from {GROUPS} groups, one connection", port, several
    )


def _reader(name: str, port: int, person: SignedIn) -> Server:
    page = person.api.get("/v1/inbox")
    if len(page["items"]) < 20:
        raise RuntimeError(f"{person.handle}'s inbox has {len(page['items'])} notices on its first page, not 20.")
    request = Request("/v1/inbox", {"items": page["items"]}, {"Authorization": f"Bearer {person.token}"})
    return Server(name, port, [request], ())
