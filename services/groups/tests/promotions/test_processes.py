"""Promotions of a service that is killed in the middle of one, or has limits of its own."""

import time
from collections import Counter

import pytest
from pymongo import MongoClient

from chassis.api_client import Person
from chassis.testing import wait_until


@pytest.fixture
def database(fresh_database):
    """The database of the test's own service."""
    with MongoClient(fresh_database, tz_aware=True) as client:
        yield client.get_default_database()


def test_a_promotion_goes_on_where_it_was_and_nobody_receives_it_twice(run_groups, database, messages, topic, crowd):
    service = run_groups(CG_RATE_LIMITS="off")
    given = {"handle": "ana", "display_name": "Ana", "password": "correct horse battery"}
    ana = Person(service.api.post("/v1/people", given).json()["id"], "ana", "Ana")
    wanted = {"name": "Kittens", "interests": topic, "scope": "virtual"}
    group = service.api.post("/v1/groups", wanted, as_=ana).json()
    people = crowd(database, 10_000, topic)
    path = f"/v1/groups/{group['id']}/promotions"
    promotion = service.api.post(path, {"text": "Come!"}, as_=ana).json()
    assert (promotion["reach"], promotion["held_back"]) == (10_000, 0)
    deaths = 0
    while left := database.promotion_chunks.count_documents({}):
        if deaths < 2 and left < 18 - 6 * deaths:
            service.kill()
            deaths += 1
            service = run_groups(CG_RATE_LIMITS="off")
        time.sleep(0.002)
    assert deaths == 2
    wait_until(lambda: database.outbox.count_documents({}) == 0, 60, what="all being told")
    told = messages(promotion["id"], 20)
    assert sorted(int(one["sequence"]) for one in told) == list(range(1, 21))
    heard = Counter(person["id"] for one in told for person in one["data"]["people"])
    assert (set(heard), set(heard.values())) == (set(people), {1})
    assert database.promotions.find_one({"_id": promotion["id"]})["reach"] == 10_000


def test_a_promotion_reaches_no_more_than_the_operator_lets_it(run_groups, database, messages, topic, crowd):
    service = run_groups(CG_RATE_LIMITS="off", CG_PROMOTION_REACH="2100")
    given = {"handle": "ana", "display_name": "Ana", "password": "correct horse battery"}
    ana = Person(service.api.post("/v1/people", given).json()["id"], "ana", "Ana")
    group = service.api.post("/v1/groups", {"name": "Kittens", "interests": topic, "scope": "virtual"}, as_=ana).json()
    most, _ = crowd(database, 2000, topic), crowd(database, 3000, topic[:1])
    promotion = service.api.post(f"/v1/groups/{group['id']}/promotions", {"text": "Come!"}, as_=ana).json()
    assert promotion["reach"] == 2100
    told = messages(promotion["id"], 5)
    heard = [person["id"] for one in told for person in one["data"]["people"]]
    assert (len(heard), set(heard) >= set(most)) == (2100, True)
