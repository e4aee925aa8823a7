"""What an endpoint promises, seen from where the gateway stands, on the real broker and database."""

import json
import time

import pytest
from pymongo import MongoClient

from chassis.api_client import NoAnswer, Person

ANA = Person("psn_01JDCM0Y0G00000000000000AN", "ana", "Ana")
READER = Person("psn_01JDCM0Y0G00000000000000AN", "ana", "Ana", scopes=("read",))


@pytest.fixture
def notebook(shared_notebook, notes):
    return shared_notebook


@pytest.fixture
def notes(shared_database):
    with MongoClient(shared_database) as client:
        database = client.get_default_database()
        database.notes.delete_many({})
        database.idempotency.delete_many({})
        yield database.notes


def test_creating_answers_201_with_location_and_etag(notebook):
    answer = notebook.api.post("/v1/notes", {"text": "Buy bacon"}, as_=ANA)
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json")
    assert answer.headers["Location"] == "/v1/notes/" + answer.json()["id"]
    assert answer.headers["ETag"] == '"1"'
    assert answer.json() | {"id": 0, "at": 0} == {"id": 0, "at": 0, "text": "Buy bacon", "by": ANA.id, "version": 1}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "a\x00"}, "/text"),
        ({"text": "x", "stars": 6}, "/stars"),
        ({"text": "x", "stars": "5"}, "/stars"),
        ({"text": "x", "odd/~name": 1}, "/odd~1~0name"),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_a_body_that_is_wrong_is_422_says_where_and_changes_nothing(notebook, notes, body, pointer):
    answer = notebook.api.post("/v1/notes", body=json.dumps(body).encode())
    assert (answer.status, answer.problem) == (422, "invalid")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert notes.count_documents({}) == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a': 1}", b'{"text": NaN}', b"\xff", b'{"text":"a","text":"b"}', b"[" * 9999]
)
def test_a_body_that_is_not_json_is_400_and_changes_nothing(notebook, notes, body):
    answer = notebook.api.post("/v1/notes", body=body)
    assert (answer.status, answer.problem) == (400, "malformed-request")
    assert notes.count_documents({}) == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=a", "cursor=x", "what=1", "limit=1&limit=2", "limit=%ff"])
def test_a_query_that_is_wrong_is_400(notebook, query):
    answer = notebook.api.get("/v1/notes?" + query)
    assert (answer.status, answer.problem) == (400, "malformed-request")


def test_a_query_where_none_is_taken_is_400(notebook):
    assert notebook.api.get("/v1/notes/nte_1?a=1").status == 400


def test_signing_in_is_asked_for_where_declared(notebook):
    answer = notebook.api.patch("/v1/notes/nte_1", {"text": "x"})
    assert (answer.status, answer.problem) == (401, "authentication-required")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_the_scope_is_403(notebook, notes):
    assert notebook.api.post("/v1/notes", {"text": "x"}, as_=READER).problem == "not-allowed"
    assert notes.count_documents({}) == 0


def test_a_fault_of_ours_is_500_and_shows_nothing_of_the_inside(notebook):
    answer = notebook.api.post("/v1/faults")
    assert (answer.status, answer.problem) == (500, "internal")
    assert b"secret" not in answer.body and b"ZeroDivision" not in answer.body


def test_reading_again_with_the_etag_is_304_until_it_changes(notebook):
    path = notebook.api.post("/v1/notes", {"text": "x"}).headers["Location"]
    assert notebook.api.get(path, if_none_match='"1"').status == 304
    assert notebook.api.get(path, if_none_match='W/"1", "9"').status == 304
    notebook.api.patch(path, {"text": "y"}, as_=ANA)
    assert notebook.api.get(path, if_none_match='"1"').json()["text"] == "y"


def test_changing_an_old_version_is_412_and_changes_nothing(notebook, notes):
    path = notebook.api.post("/v1/notes", {"text": "x"}).headers["Location"]
    assert notebook.api.patch(path, {"text": "y"}, as_=ANA, if_match='"1"').headers["ETag"] == '"2"'
    answer = notebook.api.patch(path, {"text": "z"}, as_=ANA, if_match='"1"')
    assert (answer.status, answer.problem) == (412, "precondition-failed")
    assert notes.find_one()["text"] == "y"
    assert notebook.api.patch(path, {"text": "z"}, as_=ANA, if_match="*").status == 200


def test_changes_at_the_same_time_all_take_effect_one_after_another(notebook, notes):
    path = notebook.api.post("/v1/notes", {"text": "x"}).headers["Location"]
    sent = [notebook.api.send("PATCH", path, {"text": f"{number}"}, as_=ANA) for number in range(10)]
    assert sorted(notebook.api.receive(one).json()["version"] for one in sent) == list(range(2, 12))
    assert notes.find_one()["version"] == 11


def test_a_list_gives_every_item_once_while_others_are_added(notebook):
    made = [notebook.api.post("/v1/notes", {"text": str(number)}).json()["id"] for number in range(5)]
    first = notebook.api.get("/v1/notes?limit=3")
    notebook.api.post("/v1/notes", {"text": "later"})
    assert first.headers["Link"] == f'</v1/notes?limit=3&cursor={first.json()["next"]}>; rel="next"'
    rest = notebook.api.get(first.headers["Link"][1:].partition(">")[0])
    found = [note["id"] for note in first.json()["items"] + rest.json()["items"]]
    assert found[:5] == made and len(found) == 6
    assert rest.json()["next"] is None and "Link" not in rest.headers


def test_the_same_key_and_body_has_one_effect_and_one_answer(notebook, notes):
    first = notebook.api.post("/v1/notes", {"text": "once"}, as_=ANA, idempotency_key="k1")
    again = notebook.api.post("/v1/notes", {"text": "once"}, as_=ANA, idempotency_key="k1")
    assert (again.status, again.body, again.headers["Location"]) == (201, first.body, first.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers
    assert notes.count_documents({}) == 1


def test_the_same_key_with_another_body_is_422_and_for_another_caller_a_key_of_its_own(notebook, notes):
    notebook.api.post("/v1/notes", {"text": "once"}, as_=ANA, idempotency_key="k1")
    assert (
        notebook.api.post("/v1/notes", {"text": "twice"}, as_=ANA, idempotency_key="k1").problem
        == "idempotency-mismatch"
    )
    assert notes.count_documents({}) == 1
    assert notebook.api.post("/v1/notes", {"text": "twice"}, idempotency_key="k1").status == 201


def test_the_same_key_while_the_first_still_runs_is_409(notebook, notes):
    first = notebook.api.send("POST", "/v1/notes", {"text": "slow"}, as_=ANA, idempotency_key="k1")
    time.sleep(0.3)
    answer = notebook.api.post("/v1/notes", {"text": "slow"}, as_=ANA, idempotency_key="k1")
    assert (answer.status, answer.problem) == (409, "idempotency-in-progress")
    assert notebook.api.receive(first).status == 201
    assert notes.count_documents({}) == 1


def test_a_refused_request_keeps_no_key(notebook, notes):
    assert notebook.api.post("/v1/notes", {"text": "conflict"}, as_=ANA, idempotency_key="k1").status == 409
    assert notes.count_documents({}) == 0
    assert notebook.api.post("/v1/notes", {"text": "fine"}, as_=ANA, idempotency_key="k1").status == 201


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
def test_a_malformed_key_is_400(notebook, key):
    assert notebook.api.post("/v1/notes", {"text": "x"}, idempotency_key=key).problem == "malformed-request"


def test_what_the_database_keeps_of_a_key_shows_neither_key_nor_answer(notebook, notes):
    notebook.api.post("/v1/notes", {"text": "once and only"}, as_=ANA, idempotency_key="my-secret-key")
    (kept,) = notes.database.idempotency.find()
    assert b"my-secret-key" not in str(kept).encode() and b"once and only" not in kept["answer"]


def test_a_call_that_comes_too_late_is_dropped(notebook, notes):
    with pytest.raises(NoAnswer):
        notebook.api.post("/v1/notes", {"text": "late"}, seconds=-1)
    assert notebook.api.get("/v1/notes").json()["items"] == []
