"""What the service declares of itself holds."""

import jsonschema
import pytest
from openapi_spec_validator import validate

from chassis.contract import contract_of, json_schema, messages_of
from groups.service import Groups

MESSAGES = messages_of(Groups)


@pytest.fixture(scope="module")
def contract():
    return contract_of(Groups)


def test_the_contract_has_what_the_api_promises_of_this_service(contract):
    routes = {f"{one['method']} {one['path']}": one for one in contract["routes"]}
    assert set(routes) == {
        "POST /v1/people",
        "GET /v1/people/{handle}",
        "GET /v1/people/{handle}/common-ground",
        "GET /v1/me",
        "PATCH /v1/me",
        "DELETE /v1/me",
        "GET /v1/me/export",
        "GET /v1/me/groups",
        "GET /v1/me/suggestions",
        "POST /v1/watches",
        "GET /v1/watches",
        "DELETE /v1/watches/{watch}",
        "GET /v1/demand",
        "PUT /v1/me/password",
        "POST /v1/sessions",
        "POST /v1/sessions/refresh",
        "DELETE /v1/sessions/current",
        "POST /v1/tokens",
        "GET /v1/tokens",
        "DELETE /v1/tokens/{token}",
        "GET /v1/interests",
        "POST /v1/groups",
        "GET /v1/groups",
        "GET /v1/groups/{group}",
        "PATCH /v1/groups/{group}",
        "DELETE /v1/groups/{group}",
        "POST /v1/groups/{group}/members",
        "GET /v1/groups/{group}/members",
        "PATCH /v1/groups/{group}/members/{handle}",
        "DELETE /v1/groups/{group}/members/{handle}",
        "POST /v1/groups/{group}/invitations",
        "GET /v1/groups/{group}/invitations",
        "DELETE /v1/groups/{group}/invitations/{invitation}",
        "POST /v1/reports",
        "GET /v1/groups/{group}/reports",
        "PATCH /v1/reports/{report}",
        "GET /v1/groups/{group}/audit",
        "POST /v1/groups/{group}/asks",
        "POST /v1/groups/{group}/promotions",
        "GET /v1/groups/{group}/asks",
        "GET /v1/asks/{ask}",
        "PATCH /v1/asks/{ask}",
        "POST /v1/asks/{ask}/offers",
        "GET /v1/asks/{ask}/offers",
    }
    assert all(one["idempotent"] for route, one in routes.items() if route.startswith("POST"))
    anyone = {route for route, one in routes.items() if one["access"] == "anyone"}
    assert anyone == {
        "POST /v1/people",
        "POST /v1/sessions",
        "POST /v1/sessions/refresh",
        "GET /v1/people/{handle}",
        "GET /v1/interests",
        "GET /v1/demand",
        "GET /v1/groups",
        "GET /v1/groups/{group}",
        "GET /v1/groups/{group}/members",
    }


def test_the_openapi_document_is_valid(contract):
    parts = contract["openapi"]
    components = {"schemas": {"Problem": {"type": "object"}, **parts["components"]["schemas"]}}
    info = {"title": "groups", "version": "1"}
    validate({"openapi": "3.1.0", "info": info, "paths": parts["paths"], "components": components})


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.type)
def test_the_example_of_each_message_is_as_its_schema_says(contract, message):
    data = json_schema(message)
    assert contract["schemas"][message.full_type()] == data
    schema = {**data["properties"]["data"], "$defs": data["$defs"]}
    jsonschema.validate(message.example, schema, format_checker=jsonschema.FormatChecker())


def test_the_service_publishes_what_the_catalogue_has_of_people_groups_and_members():
    assert [one.type for one in MESSAGES] == [
        "groups.ask.opened.v1",
        "groups.ask.resolved.v1",
        "groups.demand.risen.v1",
        "groups.group.archived.v1",
        "groups.group.founded.v1",
        "groups.group.updated.v1",
        "groups.join.declined.v1",
        "groups.join.requested.v1",
        "groups.member.banned.v1",
        "groups.member.joined.v1",
        "groups.member.left.v1",
        "groups.member.removed.v1",
        "groups.member.role_changed.v1",
        "groups.offer.made.v1",
        "groups.person.erased.v1",
        "groups.person.registered.v1",
        "groups.person.updated.v1",
        "groups.promotion.sent.v1",
        "groups.watch.matched.v1",
    ]


def test_a_service_without_a_usable_key_does_not_start(run_groups):
    service = run_groups(wait=False, CG_SIGNING_KEY="no key")
    assert service.process.wait(20) == 78
    assert "CG_SIGNING_KEY" in service.process.tail()
