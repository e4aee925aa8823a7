"""Operators say what interests are also called: what comes in and what is stored is read by it."""

import json

import pytest
from pymongo import MongoClient

from chassis.api_client import Person
from chassis.testing import wait_until

CAPS, CAPITALS = "caps", "washington capitals"
PASSWORD = "correct horse battery"


@pytest.fixture
def kept(fresh_database):
    """The service's database."""
    with MongoClient(fresh_database) as client:
        yield client.get_default_database()


def registered(api, handle, **profile):
    given = {"handle": handle, "display_name": handle.title(), "password": PASSWORD, **profile}
    return Person(api.post("/v1/people", given).json()["id"], handle, handle.title())


def founded(api, founder, **fields):
    given = {"name": "Ice in the Capital", "interests": [CAPS, CAPITALS, "hockey"], "scope": "virtual", **fields}
    answer = api.post("/v1/groups", given, as_=founder)
    assert answer.status == 201, answer.body
    return answer.json()["id"]


def test_what_was_stored_under_an_alias_is_read_anew(run_groups, kept, tmp_path, messages):
    service = run_groups()
    api = service.api
    people = [registered(api, name, interests=["caps"]) for name in ("ana", "ben", "chris", "dora", "eve")]
    ana, ben, chris, dora, eve = people
    api.patch("/v1/me", {"allow_promotions": False}, as_=ben)
    groups = {
        name: founded(api, ana, visibility=name, interests=[CAPS, "hockey", CAPITALS])
        for name in ("public", "unlisted", "private")
    }
    archived = founded(api, ana, interests=[CAPS, "chess"])
    assert api.delete(f"/v1/groups/{archived}", as_=ana).status == 204
    # Three were told that they are three; two watch for what it stands for; one for both.
    for person, interest in ((ana, CAPS), (ben, CAPS), (chris, CAPS), (dora, CAPITALS), (chris, CAPITALS)):
        assert api.post("/v1/watches", {"interests": ["chess", interest]}, as_=person).status == 201
    assert kept.demand.find_one({"_id": f"{CAPS}\nchess"})["told"] == 3
    service.stop()

    file = tmp_path / "aliases.json"
    file.write_text(json.dumps({"#Caps": "Washington Capitals", "the caps": "caps"}))
    service = run_groups(CG_INTEREST_ALIASES=str(file))
    api = service.api
    wait_until(lambda: not kept.demand.find_one({"interests": CAPS}), what="reading anew")
    for collection in ("groups", "people", "watches", "demand"):
        assert kept[collection].find_one({"interests": CAPS}) is None, collection
    for group in groups.values():
        assert api.get(f"/v1/groups/{group}", as_=ana).json()["interests"] == [CAPITALS, "hockey"]
    assert api.get(f"/v1/groups/{archived}", as_=ana).json()["interests"] == [CAPITALS, "chess"]
    assert [one["id"] for one in api.get("/v1/groups?interest=The%20Caps&interest=hockey").json()["items"]] == [
        groups["public"]
    ]
    told = messages(groups["private"], 3)[-1]
    assert (told["type"], told["audience"]) == ("commonground.groups.group.updated.v1", "group")
    assert (told["data"]["changed"], told["data"]["group"]["interests"]) == (["interests"], [CAPITALS, "hockey"])
    assert messages(ben.id, 3)[-1]["data"]["interests"] == [CAPITALS]
    counts = {one["name"]: (one["groups"], one["people"]) for one in api.get("/v1/interests").json()["items"]}
    assert counts[CAPITALS] == (1, 5)
    assert CAPS not in counts

    (wanted,) = api.get("/v1/demand?interest=caps").json()["items"]
    assert wanted == {"interests": ["chess", CAPITALS], "watchers": 4}
    assert kept.demand.find_one({"_id": f"chess\n{CAPITALS}"})["told"] == 3
    assert [one["watchers"] for one in api.get("/v1/watches", as_=chris).json()["items"]] == [4, 4]
    assert api.post("/v1/watches", {"interests": ["chess", "caps"]}, as_=eve).json()["watchers"] == 5
    messages(registered(api, "late").id, 1)  # whatever was to be told before has arrived
    assert messages(kept.demand.find_one({"_id": f"chess\n{CAPITALS}"})["id"], 0) == []


@pytest.mark.parametrize("text", ["{", '{"caps": "washington capitals", "washington capitals": "caps"}'])
def test_aliases_that_cannot_be_read_are_said_at_the_start(run_groups, tmp_path, text):
    file = tmp_path / "aliases.json"
    file.write_text(text)
    process = run_groups(wait=False, CG_INTEREST_ALIASES=str(file)).process
    assert process.wait(20) == 78
    assert "CG_INTEREST_ALIASES" in process.tail(20)
