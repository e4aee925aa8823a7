"""Which groups match which watches."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Conflict
from groups.groups.model import found
from groups.people.model import register
from groups.watches.model import (
    MOST_PER_PERSON,
    Aspect,
    aspect_of,
    check_not_too_many,
    head_of,
    heads_within,
    matches,
    newly_matches,
    set_of,
    watch,
)

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
WASHINGTON, BALTIMORE, RICHMOND = ({"lat": a, "lon": b} for a, b in ((38.9, -77.03), (39.29, -76.61), (37.54, -77.44)))


def watching(*interests, at=None, country=None, **wanted):
    place = {"name": "Here", "country": country or "US"} if at or country else None
    if at:
        place["location"] = at
    person = register({"handle": "dora", "display_name": "Dora", "place": place}, NOW)
    return watch(person, {"interests": list(interests or ("kittens", "bacon")), **wanted}, NOW)


def group(*interests, scope="virtual", at=None, country="US"):
    return Aspect(frozenset(interests or ("kittens", "bacon")), scope, country, at)


def test_a_group_has_to_have_all_interests_of_a_watch():
    dora = watching("kittens", "bacon")
    assert matches(dora, group("bacon", "tea", "kittens"))
    assert not matches(dora, group("kittens"))
    assert not matches(dora, group("bacon", "tea"))


def test_a_group_that_nobody_is_to_hear_of_matches_nothing():
    assert not matches(watching(), None)


def test_a_virtual_group_reaches_everybody():
    assert matches(watching(), group(country=None))
    assert matches(watching(at=WASHINGTON, within_km=1), group(country="JP"))


def test_a_national_group_reaches_who_is_at_home_in_its_country():
    assert matches(watching(country="US"), group(scope="national"))
    assert not matches(watching(country="DE"), group(scope="national"))
    assert not matches(watching(near=WASHINGTON), group(scope="national"))


@pytest.mark.parametrize(
    ("scope", "within_km", "reached"),
    [
        ("local", None, [WASHINGTON]),
        ("local", 60, [WASHINGTON, BALTIMORE]),
        ("regional", None, [WASHINGTON, BALTIMORE, RICHMOND]),
        ("regional", 60, [WASHINGTON, BALTIMORE]),
    ],
)
def test_a_local_or_regional_group_reaches_who_is_near(scope, within_km, reached):
    for point in (WASHINGTON, BALTIMORE, RICHMOND):
        dora = watching(at=WASHINGTON, within_km=within_km)
        assert matches(dora, group(scope=scope, at=point)) == (point in reached)


def test_what_a_watch_is_near_counts_before_where_its_person_is():
    dora = watching(at=WASHINGTON, near=RICHMOND)
    assert matches(dora, group(scope="local", at=RICHMOND))
    assert not matches(dora, group(scope="local", at=WASHINGTON))


def test_where_the_distance_is_not_known_the_country_decides():
    assert matches(watching(country="US"), group(scope="local", at=WASHINGTON))
    assert matches(watching(at=WASHINGTON), group(scope="local"))
    assert not matches(watching(country="DE"), group(scope="local", at=WASHINGTON))
    assert not matches(watching(at=WASHINGTON, near=RICHMOND), group(scope="local"))


@pytest.mark.parametrize("scope", ["local", "regional", "national", "virtual"])
def test_who_does_not_say_where_they_are_looks_everywhere(scope):
    assert matches(watching(), group(scope=scope, at=WASHINGTON))


def test_a_watch_for_a_scope_wants_that_scope():
    assert matches(watching(scope="virtual"), group())
    assert not matches(watching(scope="local", country="US"), group(scope="national"))


def test_a_group_newly_matches_when_it_did_not_before():
    dora = watching("kittens", "bacon")
    assert newly_matches(dora, group(), None)
    assert newly_matches(dora, group(), group("kittens"))
    assert not newly_matches(dora, group("tea", "kittens", "bacon"), group())
    assert not newly_matches(dora, None, group())


def test_only_a_listed_group_has_an_aspect():
    fields = {"name": "K", "interests": ["kittens"], "scope": "virtual", "visibility": "public"}
    public = found(fields, "k", "ana", NOW)
    assert aspect_of(public) == Aspect(frozenset({"kittens"}), "virtual", None, None)
    assert aspect_of(replace(public, visibility="unlisted")) is None
    assert aspect_of(replace(public, visibility="private")) is None
    assert aspect_of(replace(public, status="archived")) is None
    assert aspect_of(None) is None


def test_a_person_has_no_more_watches_than_anybody():
    check_not_too_many(MOST_PER_PERSON - 1)
    with pytest.raises(Conflict):
        check_not_too_many(MOST_PER_PERSON)


interests = st.text("abcde ", min_size=1, max_size=3)


@given(st.lists(interests, min_size=1, max_size=10), st.randoms())
def test_a_set_is_the_same_in_whatever_order(wanted, random):
    shuffled = random.sample(wanted, len(wanted))
    assert set_of(shuffled) == set_of(wanted) == set_of([*wanted, wanted[0]])
    assert head_of(shuffled) == head_of(wanted)


@given(st.lists(interests, min_size=1, max_size=15, unique=True), st.data())
def test_each_set_is_found_from_any_that_it_is_within(larger, data):
    smaller = data.draw(st.lists(st.sampled_from(larger), min_size=1, max_size=10, unique=True))
    assert head_of(smaller) in heads_within(larger)
