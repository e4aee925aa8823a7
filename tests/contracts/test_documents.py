"""The documents that the gateway serves are valid, whole, and name every path and status that the API promises."""

import json
import re
import subprocess
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest
from asyncapi3 import AsyncAPI3
from openapi_spec_validator import OpenAPIV31SpecValidator

from chassis.contract import asyncapi_of
from chassis.testing import SERVICES
from people import done

# What the API promises of the parts that are built: method, path, the successful status and those of refusals that are
# its own. What any call may meet (400, 429, 503, …) is checked for all of them.
PROMISED = """
POST    /v1/people                                 201 409
POST    /v1/sessions                               201 401
POST    /v1/sessions/refresh                       201 401
DELETE  /v1/sessions/current                       204 401
GET     /v1/me                                     200 304 401
PATCH   /v1/me                                     200 401 412 422
DELETE  /v1/me                                     204 401 412
PUT     /v1/me/password                            204 401 422
GET     /v1/people/{handle}                        200 404
POST    /v1/tokens                                 201 401 422
GET     /v1/tokens                                 200 401
DELETE  /v1/tokens/{id}                            204 401 404
GET     /v1/me/export                              200 401
GET     /v1/me/export/events                       200 401
GET     /v1/me/export/notifications                200 401
GET     /v1/interests                              200
POST    /v1/groups                                 201 401 422
GET     /v1/groups                                 200
GET     /v1/groups/{group}                         200 304 404
PATCH   /v1/groups/{group}                         200 401 403 404 412 422
DELETE  /v1/groups/{group}                         204 401 403 404 412
POST    /v1/groups/{group}/members                 201 202 401 403 404 409 422
GET     /v1/groups/{group}/members                 200 403 404
PATCH   /v1/groups/{group}/members/{handle}        200 401 403 404 409 422
DELETE  /v1/groups/{group}/members/{handle}        204 401 403 404 409
GET     /v1/me/groups                              200 401
GET     /v1/me/suggestions                         200 401
POST    /v1/watches                                201 401 409 422
GET     /v1/watches                                200 401
DELETE  /v1/watches/{id}                           204 401 404
GET     /v1/demand                                 200
POST    /v1/groups/{group}/events                  201 401 403 404 422
GET     /v1/events                                 200
GET     /v1/events/{event}                         200 304 404
PATCH   /v1/events/{event}                         200 401 403 404 409 412 422
POST    /v1/events/{event}/cancellation            200 401 403 404 409 422
PUT     /v1/events/{event}/rsvps/me                200 401 403 404 409 422
GET     /v1/events/{event}/rsvps                   200 401 403 404
GET     /v1/me/events                              200 401
GET     /v1/inbox                                  200 401
GET     /v1/inbox/summary                          200 401
POST    /v1/inbox/read                             204 401 422
"""
ROWS = [line.split() for line in PROMISED.strip().splitlines()]
CREATE = {
    "/v1/people",
    "/v1/sessions",
    "/v1/sessions/refresh",
    "/v1/tokens",
    "/v1/groups",
    "/v1/groups/{group}/members",
    "/v1/watches",
    "/v1/groups/{group}/events",
}
SENT = {
    *("groups.person.registered", "groups.person.updated", "groups.person.erased"),
    *("groups.group.founded", "groups.group.updated", "groups.group.archived"),
    *("groups.member.joined", "groups.member.left", "groups.member.removed", "groups.member.banned"),
    *("groups.member.role_changed", "groups.join.requested", "groups.join.declined"),
    *("groups.watch.matched", "groups.demand.risen", "groups.promotion.sent"),
    *("groups.ask.opened", "groups.ask.resolved", "groups.offer.made"),
    *("events.event.scheduled", "events.event.changed", "events.event.cancelled", "events.event.due"),
    *("events.rsvp.changed", "events.rsvp.promoted", "events.attendance.recorded"),
    *("notifications.notice.posted", "notifications.delivery.failed"),
}


@pytest.fixture(scope="module")
def openapi(session_platform):
    return done(session_platform.door.get("/openapi.json"), 200)


@pytest.fixture(scope="module")
def asyncapi(session_platform):
    return done(session_platform.door.get("/asyncapi.json"), 200)


def operations(openapi):
    return [
        (method.upper(), path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]


def generic(path):
    """A path whose parameters have no names."""
    return re.sub(r"{\w+}", "{}", path)


# -- OpenAPI


def test_the_openapi_document_is_valid(openapi):
    OpenAPIV31SpecValidator(openapi).validate()
    assert openapi["openapi"].startswith("3.1")


@pytest.mark.parametrize(("method", "path", "statuses"), [(row[0], row[1], row[2:]) for row in ROWS])
def test_what_is_promised_is_documented(openapi, method, path, statuses):
    documented = {(verb, generic(known)): operation for verb, known, operation in operations(openapi)}
    operation = documented.get((method, generic(path)))
    assert operation is not None, f"{method} {path} is not in the document"
    assert set(statuses) <= set(operation["responses"]), operation["responses"].keys()


def test_every_operation_documents_what_any_call_may_meet(openapi):
    for method, path, operation in operations(openapi):
        responses = operation["responses"]
        missing = {"400", "401", "413", "429", "503", "504"} - set(responses)
        if method in ("POST", "PUT", "PATCH"):
            missing |= {"415", "422"} - set(responses)
        if "{" in path:
            missing |= {"404"} - set(responses)
        assert not missing, f"{method} {path} does not document {missing}"
        for status, response in responses.items():
            if int(status) >= 400:
                kind = response["content"]["application/problem+json"]["schema"]
                assert kind == {"$ref": "#/components/schemas/Problem"}, (method, path, status)


def test_every_operation_is_told_of_in_words_and_has_its_own_name(openapi):
    names = []
    for method, path, operation in operations(openapi):
        assert operation["summary"].endswith("."), (method, path)
        assert operation["tags"], (method, path)
        names.append(operation["operationId"])
    assert len(names) == len(set(names))
    described = {tag["name"] for tag in openapi["tags"] if tag.get("description")}
    assert {tag for _, _, operation in operations(openapi) for tag in operation["tags"]} == described


def test_every_post_that_creates_documents_its_idempotency_key(openapi):
    keyed = {
        generic(path)
        for method, path, operation in operations(openapi)
        if "Idempotency-Key" in [one["name"] for one in operation["parameters"]]
    }
    assert {generic(path) for path in CREATE} <= keyed


def test_every_list_documents_limit_and_cursor(openapi):
    for method, path, operation in operations(openapi):
        success = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        name = success.get("$ref", "").rpartition("/")[2]
        properties = openapi["components"]["schemas"].get(name, {}).get("properties", {})
        if {"items", "next"} <= set(properties):
            parameters = {one["name"]: one for one in operation["parameters"]}
            assert {"limit", "cursor"} <= set(parameters), (method, path)
            limit = parameters["limit"]["schema"]
            assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 20), (method, path)


def test_every_schema_that_comes_in_refuses_what_it_does_not_know(openapi):
    for method, path, operation in operations(openapi):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert openapi["components"]["schemas"][name]["additionalProperties"] is False, (method, path)


def test_nothing_internal_is_documented(openapi, http):
    assert not [path for path in openapi["paths"] if not path.startswith("/v1/")]
    assert http.post("/internal/introspect", {"token": "cg_x"}).status == 404


# -- AsyncAPI and the schemas of messages


def test_the_asyncapi_document_is_valid(asyncapi):
    AsyncAPI3.model_validate(asyncapi)
    assert asyncapi["asyncapi"] == "3.0.0"


ERROR, WARNING = 0, 1
"""How severe what the official parser finds is; beyond that are hints, e.g. that AsyncAPI 3.1 exists."""


def test_the_official_parser_finds_nothing_wrong_in_the_joined_document_nor_in_any_services(asyncapi, npm, tmp_path):
    services = [asyncapi_of(getattr(import_module(f"{name}.service"), name.title())) for name in SERVICES]
    files = [tmp_path / f"{name}.json" for name in ("joined", *SERVICES)]
    for file, document in zip(files, [asyncapi, *services], strict=True):
        file.write_text(json.dumps(document))
    folder = npm(Path(__file__).parent / "asyncapi")
    said = subprocess.run(["node", "validate.js", *files], cwd=folder, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert [one for one in found if one.get("severity") in (ERROR, WARNING)] == []
    parsed = [one for one in found if "parsed" in one]
    assert [one["file"] for one in parsed] == [str(file) for file in files] and all(one["parsed"] for one in parsed)
    for one, document in zip(parsed, [asyncapi, *services], strict=True):
        sent = [operation for operation in document["operations"].values() if operation["action"] == "send"]
        assert one["examples"] == len(sent) > 0


def test_every_message_of_the_catalogue_is_documented_as_sent(asyncapi):
    sent = {
        message["name"]
        for operation in asyncapi["operations"].values()
        if operation["action"] == "send"
        for message in messages_of(asyncapi, operation)
    }
    assert {f"commonground.{name}.v1" for name in SENT} <= sent


def test_every_message_that_is_sent_has_an_example_that_fits_its_schema(asyncapi, http):
    for operation in asyncapi["operations"].values():
        if operation["action"] != "send":
            continue
        for message in messages_of(asyncapi, operation):
            schema = done(http.get(f"/schemas/{message['name']}"), 200)
            jsonschema.Draft202012Validator.check_schema(schema)
            assert message["examples"], message["name"]
            for example in message["examples"]:
                jsonschema.validate(example["payload"], schema, jsonschema.Draft202012Validator)
                assert example["payload"]["type"] == message["name"]


def test_what_a_service_reads_is_something_that_a_service_sends(asyncapi):
    by_action = {"send": set(), "receive": set()}
    for operation in asyncapi["operations"].values():
        by_action[operation["action"]] |= {message["name"] for message in messages_of(asyncapi, operation)}
    assert by_action["receive"] <= by_action["send"]


def test_every_channel_names_its_exchange_and_routing_key(asyncapi):
    for name, channel in asyncapi["channels"].items():
        binding = channel["bindings"]["amqp"]
        assert (binding["is"], binding["bindingVersion"]) == ("routingKey", "0.3.0"), name
        assert binding["exchange"]["name"] == f"commonground.{channel['address'].partition('.')[0]}", name


def messages_of(asyncapi, operation):
    """The messages of an operation, its references followed."""
    return [resolve(asyncapi, resolve(asyncapi, one)) for one in operation["messages"]]


def resolve(document, value):
    """What a reference stands for."""
    while isinstance(value, dict) and set(value) == {"$ref"}:
        found = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


# -- the reference for people


class Page(HTMLParser):
    """The words of a page, and the addresses that it fetches from."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(source)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe"):
            self.fetched += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_reference_shows_every_operation_and_needs_nothing_from_elsewhere(openapi, asyncapi, http):
    answer = http.get("/docs")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    page = Page(answer.body.decode())
    for _, path, operation in operations(openapi):
        assert path in page.text and operation["summary"].replace("`", "") in page.text.replace("`", "")
    for message in asyncapi["components"]["messages"].values():
        assert message["name"] in page.text
    assert not [one for one in page.fetched if not one.startswith(("/", "#", "data:"))]


def test_documents_are_json_of_their_kind(http):
    for path, kind in (
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
        ("/.well-known/jwks.json", "application/jwk-set+json"),
        ("/schemas/commonground.groups.member.joined.v1", "application/schema+json"),
    ):
        answer = http.get(path)
        assert answer.status == 200 and answer.headers["content-type"] == kind, path
        json.loads(answer.body)
