"""A search for two interests among 100,000 groups, over HTTP, beside the bare PyMongo query for the same groups."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any
from urllib.parse import urlencode

from tests.bench.client import Api
from tests.bench.figures import Figure, Result, Target, latencies, percentile
from tests.bench.scene import new_group, sign_up
from tests.bench.stage import Stage

from chassis.ids import new_id
from groups.groups.store import document_of, group_of
from groups.search.model import BY_SIZE

TITLE = "A search for two interests among 100,000 groups, one caller"
GROUPS, INTERESTS, PAGE = 100_000, 2_000, 20


def measure(stage: Stage, *, quick: bool) -> Result:
    """Ask for the same pairs of interests in turns: the database itself, and over HTTP."""
    port = stage.platform.port
    person = sign_up(port, "sam")
    pairs = _fill(stage, person.api, 20_000 if quick else GROUPS)
    kept = stage.database("groups").groups
    api = Api(port, person.token)

    def bare(pair: tuple[str, str]) -> list[str]:
        wanted = {"listed": True, "interests": {"$all": list(pair)}}
        found = kept.find(wanted).sort(list(BY_SIZE)).limit(PAGE + 1)
        return [one["_id"] for one in found][:PAGE]

    def ours(pair: tuple[str, str]) -> list[str]:
        query = urlencode([("interest", pair[0]), ("interest", pair[1])])
        return [one["id"] for one in api.get(f"/v1/groups?{query}")["items"]]

    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    chosen = random.Random(7)
    for pair in pairs[:100]:  # warms up
        if bare(pair) != ours(pair):
            raise RuntimeError(
                f"The search and the bare query found different groups for {pair}: {ours(pair)} and {bare(pair)}."
            )
    for pair in chosen.choices(pairs, k=300 if quick else 1_000):
        seconds["bare"].append(_timed(bare, pair))
        seconds["ours"].append(_timed(ours, pair))
    p99 = {name: percentile(values, 99) for name, values in seconds.items()}
    plans = plans_of(stage, lambda: [ours(pair) for pair in pairs[:50]])
    return Result(
        figures=[
            latencies("bare PyMongo query", seconds["bare"]),
            latencies("Common Ground: GET /v1/groups?interest=…&interest=…", seconds["ours"]),
            Figure("documents read for a page of 20, p50", value=percentile([one["docs"] for one in plans], 50)),
        ],
        targets=[
            Target("times the bare query's p99", p99["ours"] / p99["bare"], 3, "at most"),
            Target("searches that used an index", 100 * share_indexed(plans), 100, "exactly", "%"),
        ],
        details={"plans": sorted({one["plan"] for one in plans})},
    )


def _fill(stage: Stage, api: Api, count: int) -> list[tuple[str, str]]:
    """Groups with interests as people have them, few of them in many groups; gives pairs that stand together in some group."""
    chance = random.Random(42)
    names = [f"interest {number}" for number in range(INTERESTS)]
    weights = list(accumulate(1 / (number + 1) for number in range(INTERESTS)))
    first = api.post("/v1/groups", new_group("One of Many", names[:2]))
    kept = stage.database("groups").groups
    found = kept.find_one({"_id": first["id"]})
    assert found is not None
    group = group_of(found)
    pairs: set[tuple[str, str]] = set()
    for start in range(0, count, 10_000):
        documents = []
        for number in range(start, start + 10_000):
            interests = list(dict.fromkeys(chance.choices(names, cum_weights=weights, k=chance.randint(2, 6))))
            if len(interests) > 1 and len(pairs) < 2_000:
                pairs.add((interests[0], interests[1]))
            one = replace(
                group, id=new_id("grp"), slug=f"one-of-many-{number}", name=f"One of Many {number}", interests=interests
            )
            documents.append(document_of(replace(one, member_count=chance.randint(1, 5_000))))
        kept.insert_many(documents, ordered=False)
    return sorted(pairs)


def _timed(ask: Callable[[tuple[str, str]], list[str]], pair: tuple[str, str]) -> float:
    begun = time.perf_counter()
    ask(pair)
    return time.perf_counter() - begun


def plans_of(stage: Stage, search: Callable[[], Any]) -> list[dict[str, Any]]:
    """What the database says it did for searches: its plan, and how many documents it read."""
    database = stage.database("groups")
    database.command("profile", 2)
    try:
        search()
    finally:
        database.command("profile", 0)
    profiled = database["system.profile"].find({"ns": "groups.groups", "planSummary": {"$exists": True}})
    found = [{"plan": one["planSummary"], "docs": one.get("docsExamined", 0)} for one in profiled]
    database.drop_collection("system.profile")
    return found


FROM_AN_INDEX = ("IXSCAN", "GEO_NEAR_2DSPHERE")
"""How plans begin that read an index: the second is what `$geoNear` makes of one of places."""


def share_indexed(plans: list[dict[str, Any]]) -> float:
    """Which part of the plans took what they wanted from an index."""
    return sum(one["plan"].startswith(FROM_AN_INDEX) for one in plans) / len(plans) if plans else 0.0
