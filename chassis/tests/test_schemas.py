"""JSON bodies are strict, times are UTC, cursors are opaque and checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from chassis.schemas import Cursor, Flag, Integer, ListQuery, Number, Page, Query, QueryFlag, Schema, Text, Time


class Body(Schema):
    text = Text(1, 5)
    lines = Text(0, 5, lines=True)
    whole = Integer(0, 10)
    number = Number(0, 1)
    flag = Flag()
    at = Time()


class Search(ListQuery):
    word = fields.List(fields.String())
    mine = QueryFlag()
    cursor = Cursor(int, str)


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"text": ""},
        {"text": "   "},
        {"text": "sixsix"},
        {"text": 5},
        {"text": None},
        {"text": "a\x00"},
        {"text": "a\nb"},
        {"text": "a\u0085b"},
        {"lines": "a\rb"},
        {"whole": "5"},
        {"whole": 5.5},
        {"whole": True},
        {"whole": 11},
        {"number": "0.5"},
        {"number": float("inf")},
        {"flag": "true"},
        {"flag": 1},
        {"at": "2026-11-23"},
        {"at": "2026-11-23T18:00:00"},
        {"at": 5},
        {"at": "9999-12-31T23:59:59-12:00"},
        {"at": "0001-01-01T00:00:00+12:00"},
    ],
)
def test_a_body_that_is_wrong_is_refused(body):
    with pytest.raises(ValidationError):
        Body().load(body)


def test_text_is_kept_in_nfc_with_its_newlines_and_tabs_where_lines_are_meant():
    assert Body().load({"text": "e\u0301", "lines": "a\n\tb"}) == {"text": "é", "lines": "a\n\tb"}


@pytest.mark.parametrize(
    ("given", "out"),
    [
        ("2026-11-23T18:00:00Z", "2026-11-23T18:00:00Z"),
        ("2026-11-23T18:00:00.5+01:00", "2026-11-23T17:00:00.500Z"),
    ],
)
def test_times_go_out_in_utc(given, out):
    assert Body().dump(Body().load({"at": given})) == {"at": out}


def test_a_query_reads_repeated_parameters_as_lists_and_others_once():
    assert Search().read({"word": ["a", "b"], "mine": ["true"]}) == {"word": ["a", "b"], "mine": True, "limit": 20}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": ["0"]},
        {"limit": ["101"]},
        {"limit": ["x"]},
        {"limit": ["1", "2"]},
        {"nonsense": ["1"]},
        {"mine": ["maybe"]},
        {"cursor": ["%%%"]},
        {"cursor": ["W10"]},
        {"cursor": [Cursor.encode(["a", "b"])]},
        {"cursor": [Cursor.encode([1])]},
        {"cursor": [""]},
    ],
)
def test_a_query_that_is_wrong_is_refused(query):
    with pytest.raises(ValidationError):
        Search().read(query)


@given(st.integers(-(2**62), 2**62), st.text())
def test_a_cursor_comes_back_as_it_went(number, text):
    text = text.encode("utf-8", "replace").decode()
    assert Search().read({"cursor": [Cursor.encode([number, text])]})["cursor"] == [number, text]


def test_a_page_is_cut_where_more_was_found_than_asked_for():
    page = Page.cut([1, 2, 3], 2, lambda item: [item], total=9)
    assert (page.items, page.next, page.members) == ([1, 2], Cursor.encode([2]), {"total": 9})
    assert Page.cut([1, 2], 2, lambda item: [item]).next is None


def test_a_parameter_may_be_empty_but_not_unknown():
    class Words(Query):
        q = fields.String()

    assert Words().read({"q": [""]}) == {"q": ""}
