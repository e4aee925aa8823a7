"""Joining the documents of services that were written without regard to each other."""

from __future__ import annotations

from typing import Any

from asyncapi3 import AsyncAPI3
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.documents import Documents, join_asyncapi, join_openapi
from gateway.reference import render

PROBLEM = {
    "description": "No",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def openapi_part(path: str, name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    operation = {
        "operationId": "get_it",
        "summary": "Get <it>",
        "tags": ["things"],
        "parameters": [
            {"name": "q", "in": "query", "schema": {"type": "string", "maxLength": 9}, "description": "Words"}
        ],
        "responses": {"200": {"description": "Done", "content": content}, "404": PROBLEM},
        "security": [{}, {"bearer": []}],
    }
    change = {
        "operationId": f"change_{name}",
        "responses": {"200": {"description": "Done"}},
        "requestBody": {"required": True, "content": content},
        "security": [{"bearer": []}],
    }
    return {
        "paths": {path: {"get": operation, "patch": change}},
        "components": {"schemas": schemas},
        "tags": [{"name": "things", "description": "All `things`."}],
    }


PLACE = {"type": "object", "properties": {"name": {"type": "string", "examples": ["Washington"]}}}
A = openapi_part(
    "/v1/a",
    "Thing",
    {
        "Place": PLACE,
        "Thing": {"type": "object", "required": ["at"], "properties": {"at": {"$ref": "#/components/schemas/Place"}}},
        "Shelf": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
    },
)
B = openapi_part(
    "/v1/b",
    "Thing",
    {
        "Place": PLACE,
        "Thing": {"type": "object", "properties": {"size": {"type": ["integer", "null"], "minimum": 1}}},
        "Shelf": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
    },
)


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(join_openapi([("a", A), ("b", B)])).validate()
    OpenAPIV31SpecValidator(join_openapi([])).validate()


def test_a_schema_of_the_same_name_that_is_another_one_keeps_apart():
    joined = join_openapi([("a", A), ("b", B)])
    schemas = joined["components"]["schemas"]
    assert set(schemas) == {"Problem", "Place", "Thing", "Shelf", "b_Thing", "b_Shelf"}
    assert schemas["Thing"] == A["components"]["schemas"]["Thing"]
    assert schemas["b_Thing"] == B["components"]["schemas"]["Thing"]
    # Shelf reads the same in both, but holds another kind of thing.
    assert schemas["b_Shelf"]["items"] == {"$ref": "#/components/schemas/b_Thing"}
    answer = joined["paths"]["/v1/b"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/b_Thing"}


def test_operations_have_different_names():
    joined = join_openapi([("a", A), ("b", B)])
    assert joined["paths"]["/v1/a"]["get"]["operationId"] == "get_it"
    assert joined["paths"]["/v1/b"]["get"]["operationId"] == "b_get_it"


def test_what_two_services_offer_stays_with_the_first():
    other = openapi_part("/v1/a", "Thing", {"Thing": {"type": "string"}})
    joined = join_openapi([("a", A), ("b", other)])
    assert joined["paths"]["/v1/a"]["get"]["operationId"] == "get_it"


def test_joining_changes_none_of_the_parts():
    before = repr((A, B))
    join_openapi([("a", A), ("b", B)])
    assert repr((A, B)) == before


def asyncapi(service: str, action: str, schema: dict[str, Any]) -> dict[str, Any]:
    name = "a_thing_added_v1" if action == "send" else "a_thing_added_v1_received"
    channel = f"{service}_{action}"
    payload = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "data": {"$ref": "#/components/schemas/Data"}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": service, "version": "1"},
        "channels": {
            channel: {"address": "a.thing.added.v1", "messages": {name: {"$ref": f"#/components/messages/{name}"}}}
        },
        "operations": {
            channel: {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"}],
            }
        },
        "components": {
            "messages": {
                name: {
                    "name": "commonground.a.thing.added.v1",
                    "summary": "A thing was added.",
                    "payload": payload,
                    "examples": [{"payload": {"id": "1", "data": {"thing": {"name": "A & B"}}}}],
                }
            },
            "schemas": {"Data": schema},
        },
    }


SENT = {"type": "object", "properties": {"thing": {"type": "object", "properties": {"name": {"type": "string"}}}}}


def test_the_asyncapi_document_is_valid_and_keeps_schemas_apart():
    joined = join_asyncapi([("a", asyncapi("a", "send", SENT)), ("b", asyncapi("b", "receive", {"type": "object"}))])
    AsyncAPI3.model_validate(joined)
    assert set(joined["operations"]) == {"a_send", "b_receive"}
    assert set(joined["components"]["schemas"]) == {"Data", "b_Data"}
    received = joined["components"]["messages"]["a_thing_added_v1_received"]
    assert received["payload"]["properties"]["data"] == {"$ref": "#/components/schemas/b_Data"}


def test_two_channels_of_the_same_name_keep_apart():
    first, second = asyncapi("x", "send", SENT), asyncapi("x", "receive", SENT)
    joined = join_asyncapi([("a", first), ("b", second)])
    assert set(joined["channels"]) == {"x_send", "x_receive"}
    second = asyncapi("x", "send", {"type": "object"})
    joined = join_asyncapi([("a", first), ("b", second)])
    renamed = joined["operations"]["b_x_send"]
    assert renamed["channel"] == {"$ref": "#/channels/b_x_send"}
    assert renamed["messages"] == [{"$ref": "#/channels/b_x_send/messages/a_thing_added_v1"}]
    message = joined["channels"]["b_x_send"]["messages"]["a_thing_added_v1"]
    assert message == {"$ref": "#/components/messages/b_a_thing_added_v1"}


def test_schemas_of_messages_are_those_of_all_services():
    documents = Documents(
        [{"service": "a", "schemas": {"x": {"a": 1}}}, {"service": "b", "schemas": {"y": {}, "x": {}}}]
    )
    assert documents.schemas == {"x": {"a": 1}, "y": {}}


def test_the_reference_shows_calls_messages_and_schemas_and_loads_nothing():
    contracts = [
        {"service": "a", "openapi": A, "asyncapi": asyncapi("a", "send", SENT)},
        {"service": "b", "openapi": B, "asyncapi": asyncapi("b", "receive", {"type": "object"})},
    ]
    documents = Documents(contracts)
    page = render(documents.openapi, documents.asyncapi, ["events"])
    for said in ("Get &lt;it&gt;", "All <code>things</code>.", "up to 9 characters", "commonground.a.thing.added.v1"):
        assert said in page
    assert "A &amp; B" in page
    assert "waiting for events" in page
    assert 'href="#schema-b_Thing"' in page
    assert 'id="schema-b_Thing"' in page
    assert "Washington" in page
    for loaded in ("<script", "<img", "<link", "src=", "url(", "@import"):
        assert loaded not in page


def test_the_reference_says_so_when_there_is_nothing_yet():
    documents = Documents([])
    page = render(documents.openapi, documents.asyncapi, ["groups", "events"])
    assert "waiting for groups, events" in page
