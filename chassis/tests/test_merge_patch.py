"""JSON merge patch, by the examples of RFC 7396 and by its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from chassis.merge_patch import merge_patch, patch_of, patched
from chassis.problems import Invalid
from chassis.schemas import Schema, Text
from chassis.vocabulary import Place

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class Venue(Schema):
    """Somewhere."""

    name = Text(1, 10, required=True)
    note = Text(0, 10, load_default="")
    place = fields.Nested(Place)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merges_as_the_examples_of_the_rfc_say(target, patch, result):
    assert merge_patch(target, patch) == result


@given(VALUES, VALUES)
def test_a_patch_applied_twice_does_what_it_does_once(target, patch):
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(VALUES)
def test_an_empty_patch_changes_nothing_of_an_object(target):
    assert merge_patch({"a": target}, {}) == {"a": target}


def test_what_is_removed_has_its_default_again():
    assert patched(Venue(), {"name": "Bar", "note": "loud"}, {"note": None}) == {"name": "Bar", "note": ""}


def test_a_part_of_a_nested_object_can_be_changed_alone():
    place = {"name": "Washington", "country": "US", "location": {"lat": 1.0, "lon": 2.0}}
    whole = patched(Venue(), {"name": "Bar", "place": place}, {"place": {"name": "D.C.", "location": None}})
    assert whole["place"] == {"name": "D.C.", "country": "US"}


def test_a_patch_that_leaves_something_invalid_says_where():
    with pytest.raises(Invalid) as refusal:
        patched(Venue(), {"name": "Bar"}, {"place": {"name": "Washington"}})
    assert refusal.value.extensions["errors"] == [
        {"pointer": "/place/country", "detail": "Missing data for required field."}
    ]


def test_the_schema_of_a_patch_needs_nothing_and_lets_optional_fields_be_removed():
    schema = patch_of(Venue)()
    assert schema.load({}) == {}
    assert schema.load({"note": None, "place": {"location": None}}) == {"note": None, "place": {"location": None}}


@pytest.mark.parametrize("patch", [{"name": None}, {"name": ""}, {"unknown": 1}, {"place": {"planet": "Mars"}}])
def test_the_schema_of_a_patch_is_as_strict_as_that_of_the_whole(patch):
    with pytest.raises(ValidationError):
        patch_of(Venue)().load(patch)
