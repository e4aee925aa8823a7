"""A search for three interests near a place among 1,000,000 groups, over HTTP, beside the bare PyMongo queries for the page."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any
from urllib.parse import urlencode

from pymongo import IndexModel
from pymongo.collection import Collection
from tests.bench.client import Api
from tests.bench.figures import Figure, Result, Target, latencies, percentile
from tests.bench.scene import new_group, sign_up
from tests.bench.search import plans_of, share_indexed
from tests.bench.stage import Stage

from groups.groups.model import Group
from groups.groups.store import Groups, document_of, group_of
from groups.search.model import REACH_KM
from groups.search.store import ListedGroups

TITLE = "A search for three interests near a place among 1,000,000 groups, one caller"
GROUPS, KINDS, INTERESTS, PAGE = 1_000_000, 10_000, 500, 20
SCOPES = ("local", "local", "local", "regional", "national", "virtual")
Document = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is searched for: three interests that some group has, near some group that has them."""

    interests: tuple[str, ...]
    lat: float
    lon: float


def measure(stage: Stage, *, quick: bool) -> Result:
    """Ask the same in turns: the database itself, and over HTTP."""
    port = stage.platform.port
    kept = stage.database("groups").groups
    begun = time.monotonic()
    searches = _fill(kept, sign_up(port, "nadia").api, 50_000 if quick else GROUPS)
    filled = time.monotonic() - begun
    # Only now: access ends after 15 minutes, which a busy machine may take for the above.
    api = sign_up(port, "nora").api
    for one in searches[:50]:  # warms up
        _check(one, bare(kept, one), ours(api, one))
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for one in random.Random(7).choices(searches, k=300 if quick else 1_000):
        at = time.perf_counter()
        bare(kept, one)
        between = time.perf_counter()
        ours(api, one)
        seconds["bare"].append(between - at)
        seconds["ours"].append(time.perf_counter() - between)
    p99 = {name: percentile(values, 99) for name, values in seconds.items()}
    plans = plans_of(stage, lambda: [ours(api, one) for one in searches[:50]])
    return Result(
        figures=[
            latencies("bare PyMongo: local and regional ones by $nearSphere", seconds["bare"]),
            latencies("Common Ground: GET /v1/groups?interest=… (three)&near=…", seconds["ours"]),
            Figure("documents read for a query, p50", value=percentile([one["docs"] for one in plans], 50)),
        ],
        targets=[
            Target("times the bare queries' p99", p99["ours"] / p99["bare"], 3, "at most"),
            Target("searches that used an index", 100 * share_indexed(plans), 100, "exactly", "%"),
        ],
        details={"plans": sorted({one["plan"] for one in plans}), "seconds_to_fill": round(filled)},
    )


def bare(kept: Collection[Document], wanted: Wanted) -> list[str]:
    """What somebody would write by hand: the nearest local and the nearest regional groups that have all three."""
    found: list[Document] = []
    for scope, reach_km in REACH_KM.items():
        point = {"type": "Point", "coordinates": [wanted.lon, wanted.lat]}
        near = {"$nearSphere": {"$geometry": point, "$maxDistance": reach_km * 1000}}
        has = {"listed": True, "interests": {"$all": list(wanted.interests)}, "scope": scope}
        found += kept.find({**has, "at": near}).limit(PAGE + 1)
    return [one["_id"] for one in found]


def ours(api: Api, wanted: Wanted) -> list[Document]:
    """The same, as anybody asks for it."""
    query = [*(("interest", one) for one in wanted.interests), ("near", f"{wanted.lat:.6f},{wanted.lon:.6f}")]
    found: list[Document] = api.get(f"/v1/groups?{urlencode(query)}")["items"]
    return found


def _check(wanted: Wanted, by_hand: list[str], found: list[Document]) -> None:
    near = [one["id"] for one in found if one["scope"] in REACH_KM]
    if not near or not set(near) <= set(by_hand) or len(near) < min(len(by_hand), PAGE):
        raise RuntimeError(
            f"The search and the bare queries found different groups for {wanted}: {near} and {by_hand}."
        )


def _fill(kept: Collection[Document], api: Api, count: int) -> list[Wanted]:
    """So many groups, as the service would keep them; gives what to search for.

    Their indexes are made when they are all there, which takes a third of the time.
    """
    found = kept.find_one({"_id": api.post("/v1/groups", new_group("One of Many", ["kittens", "bacon"]))["id"]})
    assert found is not None
    chance = random.Random(42)
    kinds = list(_kinds(group_of(found), chance))
    kept.drop_indexes()
    searches: list[Wanted] = []
    for start in range(0, count, 10_000):
        documents = [_one_of(kinds, number, chance) for number in range(start, start + 10_000)]
        kept.insert_many(documents, ordered=False)
        searches += [
            Wanted(tuple(one["interests"][:3]), one["place"]["location"]["lat"], one["place"]["location"]["lon"])
            for one in documents
            if len(one["interests"]) > 2 and one["scope"] in REACH_KM
        ][: max(1, 2_000 * 10_000 // count)]
    indexes: list[IndexModel] = [*Groups.indexes, *ListedGroups.indexes]
    kept.create_indexes(indexes)
    return searches


def _kinds(group: Group, chance: random.Random) -> Iterator[Document]:
    """What groups are about, as people have interests: few of them in many groups."""
    names = [f"interest{number}" for number in range(INTERESTS)]
    # Words are not what is measured, and their index is the largest.
    plain = replace(group, name="One", summary="", description="We meet every other week.")
    weights = list(accumulate(1 / (number + 1) for number in range(INTERESTS)))
    for number in range(KINDS):
        interests = list(dict.fromkeys(chance.choices(names, cum_weights=weights, k=chance.randint(3, 5))))
        scope = SCOPES[number % len(SCOPES)]
        yield document_of(replace(plain, interests=interests, scope=scope))


def _one_of(kinds: list[Document], number: int, chance: random.Random) -> Document:
    """A group of its own, somewhere within 1,500 km of the middle of the country."""
    one = {**kinds[number % len(kinds)], "_id": f"grp_01JDCM0Y0G{number:016d}", "slug": f"one-of-many-{number}"}
    lat, lon = round(chance.uniform(28, 46), 6), round(chance.uniform(-115, -78), 6)
    one["place"] = {"name": "Somewhere", "country": "US", "location": {"lat": lat, "lon": lon}}
    one["at"] = {"type": "Point", "coordinates": [lon, lat]}
    one["member_count"] = chance.randint(1, 5_000)
    one["size"] = one["member_count"].bit_length()
    return one
