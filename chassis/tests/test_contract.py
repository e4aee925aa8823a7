"""A service's contract says what its declarations say, in documents that their public validators accept."""

import json

import jsonschema
import pytest
from asyncapi3 import AsyncAPI3
from notebook import Notebook, NoteWritten
from openapi_spec_validator import OpenAPIV31SpecValidator

from chassis import contract


@pytest.fixture(scope="module")
def notebook():
    return contract.contract_of(Notebook)


def operation(notebook, method, path):
    return notebook["openapi"]["paths"][path][method]


def test_the_openapi_part_is_valid(notebook):
    document = {"openapi": "3.1.0", "info": {"title": "Notebook", "version": "1"}, **notebook["openapi"]}
    document["components"]["schemas"] |= {"Problem": {"type": "object"}}
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    OpenAPIV31SpecValidator(json.loads(json.dumps(document))).validate()


def test_the_asyncapi_document_is_valid(notebook):
    AsyncAPI3.model_validate(notebook["asyncapi"])


def test_every_example_fits_its_schema(notebook):
    schema = notebook["schemas"][NoteWritten.full_type()]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(contract.example_of(NoteWritten), schema, jsonschema.Draft202012Validator)


def test_what_is_published_fits_its_schema(notebook):
    envelope = NoteWritten({"note_id": "nte_1", "text": "x"}, subject="nte_1", sequence=1).envelope(None)
    jsonschema.validate(envelope, notebook["schemas"][envelope["type"]], jsonschema.Draft202012Validator)


def test_a_schema_refuses_what_the_service_would_not_send(notebook):
    envelope = NoteWritten({"note_id": "nte_1", "text": "x"}, subject="nte_1", sequence=1).envelope(None)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(envelope | {"sequence": 1}, notebook["schemas"][envelope["type"]])


def test_what_is_sent_and_received_is_in_the_asyncapi_document(notebook):
    operations = notebook["asyncapi"]["operations"]
    assert {one["action"] for one in operations.values()} == {"send", "receive"}
    sent = notebook["asyncapi"]["components"]["messages"]["notebook-note-written-v1"]
    assert sent["examples"][0]["payload"]["data"] == NoteWritten.example


def test_a_route_says_what_the_gateway_must_know(notebook):
    (route,) = [one for one in notebook["routes"] if one["name"] == "write_note"]
    assert route == {
        "name": "write_note",
        "method": "POST",
        "path": "/v1/notes",
        "access": "anyone",
        "idempotent": True,
        "limit": None,
        "form": False,
        "stream": None,
    }


def test_an_operation_shows_body_answer_refusals_and_key(notebook):
    write = operation(notebook, "post", "/v1/notes")
    assert write["summary"] == "Write a note."
    body = notebook["openapi"]["components"]["schemas"]["NewNote"]
    assert body["required"] == ["text"] and body["additionalProperties"] is False
    assert (body["properties"]["text"]["minLength"], body["properties"]["text"]["maxLength"]) == (1, 100)
    assert (body["properties"]["stars"]["minimum"], body["properties"]["stars"]["maximum"]) == (0, 5)
    assert {"201", "400", "401", "409", "413", "415", "422", "429", "503", "504"} <= write["responses"].keys()
    assert "Idempotency-Key" in [one["name"] for one in write["parameters"]]


def test_reading_and_changing_show_their_conditions(notebook):
    assert "304" in operation(notebook, "get", "/v1/notes/{note}")["responses"]
    assert "412" in operation(notebook, "patch", "/v1/notes/{note}")["responses"]
    names = [one["name"] for one in operation(notebook, "get", "/v1/notes")["parameters"]]
    assert names == ["limit", "cursor"]


def test_the_digest_changes_with_the_contract_and_with_nothing_else(notebook):
    assert contract.contract_of(Notebook)["digest"] == notebook["digest"]

    class Other(Notebook):
        """Notes, and something else."""

        name = "notebook"

    assert contract.contract_of(Other)["digest"] != notebook["digest"]
