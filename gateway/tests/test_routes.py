"""Which route a path means."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routes import BadPath, Route, RouteTable, decode

TABLE = RouteTable(
    [
        Route("a", "list", "GET", "/v1/things"),
        Route("a", "add", "POST", "/v1/things"),
        Route("a", "mine", "GET", "/v1/things/mine"),
        Route("a", "get", "GET", "/v1/things/{thing}"),
        Route("a", "drop", "DELETE", "/v1/things/{name}"),
        Route("a", "part", "GET", "/v1/things/{thing}/parts/{part}"),
        Route("b", "my_part", "GET", "/v1/things/mine/parts"),
        Route("b", "feed", "GET", "/v1/things/{thing}/feed.ics"),
    ]
)


def found(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    match = TABLE.find(method, path)
    return (match.route.name, match.path) if match and match.route else None


def test_finds_by_method_and_path():
    assert found("GET", "/v1/things") == ("list", {})
    assert found("POST", "/v1/things") == ("add", {})
    assert found("GET", "/v1/things/x/parts/y") == ("part", {"thing": "x", "part": "y"})
    assert found("GET", "/v1/things/x/feed.ics") == ("feed", {"thing": "x"})


def test_parameters_have_the_names_of_their_own_route():
    assert found("DELETE", "/v1/things/x") == ("drop", {"name": "x"})


def test_literal_segments_go_first():
    assert found("GET", "/v1/things/mine") == ("mine", {})


def test_a_literal_segment_that_leads_nowhere_does_not_hide_a_parameter():
    assert found("GET", "/v1/things/mine/parts/y") == ("part", {"thing": "mine", "part": "y"})
    assert found("GET", "/v1/things/mine/feed.ics") == ("feed", {"thing": "mine"})
    assert found("DELETE", "/v1/things/mine") == ("drop", {"name": "mine"})


def test_head_is_answered_like_get():
    assert found("HEAD", "/v1/things") == ("list", {})


def test_says_which_methods_a_path_has():
    assert TABLE.find("PUT", "/v1/things").allowed == ("GET", "HEAD", "OPTIONS", "POST")
    assert TABLE.find("PUT", "/v1/things/mine").allowed == ("DELETE", "GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/things/", "/v1//things", "/v1/things//parts/x", "//v1/things", "x"]
)
def test_finds_nothing_else(path):
    assert TABLE.find("GET", path) is None


def test_the_first_of_two_that_are_the_same_is_kept():
    first, second = Route("a", "x", "GET", "/v1/{one}"), Route("b", "y", "GET", "/v1/{other}")
    table = RouteTable([first, second])
    assert table.find("GET", "/v1/z").route is first
    assert table.conflicts == [(first, second)]


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1))
def test_decodes_what_was_encoded(text):
    assert decode("/v1/things/" + quote(text, safe="")) == "/v1/things/" + text


@pytest.mark.parametrize("path", ["/%", "/%1", "/%g1", "/%ff", "/%c3%28", "/%00", "/%0a", "/a%7f", "/%c2%80"])
def test_refuses_what_is_no_text(path):
    with pytest.raises(BadPath):
        decode(path)


def test_an_encoded_slash_is_no_path():
    assert decode("/v1/things/a%2fb") is None
