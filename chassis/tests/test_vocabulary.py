"""How interests are normalized, and what a place on a query looks like."""

import itertools
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from chassis.vocabulary import Interests, Near, Place, interest_of, normalize_interest, read_aliases, use_aliases


class Wanted(Schema):
    interests = Interests(1, 3)
    near = Near()


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("Kittens", "kittens"),
        ("  #Bacon  ", "bacon"),
        ("##c", "c"),
        ("# #x", "x"),
        ("Washington\t\n Capitals", "washington capitals"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁshing", "fishing"),
        ("Ｋｉｔｔｅｎｓ", "kittens"),
        ("c#", "c#"),
    ],
)
def test_an_interest_has_one_normal_form(given, normal):
    assert normalize_interest(given) == normal


@given(st.text(max_size=60))
def test_normalizing_twice_changes_nothing(text):
    try:
        once = normalize_interest(text)
    except ValueError:
        return
    assert normalize_interest(once) == once
    assert 1 <= len(once) <= 50


@given(st.text(min_size=1, max_size=20), st.sampled_from(["", " ", "#", " # ", "\t", "##"]))
def test_however_an_interest_is_written_it_is_the_same(text, before):
    try:
        normal = normalize_interest(text)
    except ValueError:
        return
    written = [before + text, text + "  ", normal, unicodedata.normalize("NFD", text)]
    written += [text.upper()] if text.upper().casefold() == text.casefold() else []
    assert {normalize_interest(one) for one in written} == {normal}


@pytest.fixture
def aliases():
    """Have aliases for one test: `aliases('{"caps": "washington capitals"}')`."""
    yield lambda text: use_aliases(read_aliases(text))
    use_aliases({})


def test_an_alias_is_read_as_what_it_stands_for(aliases):
    aliases('{"#Caps": "Washington  Capitals", "the caps": "caps", "kittens": "Kittens"}')
    assert (
        interest_of(" THE caps") == interest_of("caps") == interest_of("Washington capitals") == "washington capitals"
    )
    assert interest_of("kittens") == "kittens"
    assert Wanted().load({"interests": ["caps", "bacon", "the caps"]})["interests"] == ["washington capitals", "bacon"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")))
def test_reading_an_interest_twice_by_aliases_changes_nothing(document):
    try:
        read = read_aliases(json.dumps(document))
    except ValueError:
        # Only a circle is refused.
        ends = {
            one: list(itertools.accumulate(range(9), lambda at, _: document.get(at, at), initial=one))
            for one in document
        }
        assert any(way[-1] != way[-2] for way in ends.values())
        return
    assert not set(read) & set(read.values())
    assert all(document[alias] in (interest, *read) for alias, interest in read.items())


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": "b", "b": "a"}', '{"": "a"}', '{"a": "#"}', "{a: b}"])
def test_aliases_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError):
        read_aliases(text)


@pytest.mark.parametrize("text", ["", "   ", "#", "x" * 51, "a\x00b", "\ud800"])
def test_what_is_empty_too_long_or_unprintable_is_no_interest(text):
    with pytest.raises(ValueError):
        normalize_interest(text)


def test_a_set_of_interests_has_each_once_in_the_order_given():
    assert Wanted().load({"interests": ["Bacon", "#kittens", "BACON"]})["interests"] == ["bacon", "kittens"]


@pytest.mark.parametrize("interests", [[], ["a", "b", "c", "d"], [""], [1], "kittens", None])
def test_a_set_of_interests_of_wrong_size_or_type_is_refused(interests):
    with pytest.raises(ValidationError):
        Wanted().load({"interests": interests})


def test_near_is_latitude_and_longitude():
    assert Wanted().load({"near": "38.9, -77.03"})["near"] == (38.9, -77.03)


@pytest.mark.parametrize("near", ["", "38.9", "91,0", "0,181", "a,b", "1,2,3", "nan,nan", "١,٢", "1e1,2"])
def test_near_that_is_no_point_on_earth_is_refused(near):
    with pytest.raises(ValidationError):
        Wanted().load({"near": near})


@pytest.mark.parametrize(
    "wrong", [{"country": "us"}, {"country": "USA"}, {"region": "DC"}, {"name": ""}, {"location": {"lat": 1}}, {"x": 1}]
)
def test_a_place_that_is_wrong_is_refused(wrong):
    with pytest.raises(ValidationError):
        Place().load({"name": "Washington", "country": "US", **wrong})
