"""Which groups are suggested to whom, and why."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from groups.groups.model import found
from groups.people.model import register
from groups.suggestions.model import beyond, searches, suggestions

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
WASHINGTON, BALTIMORE, BOSTON = ({"lat": a, "lon": b} for a, b in ((38.9, -77.03), (39.29, -76.61), (42.36, -71.06)))


def at(location, country="US"):
    place = {"name": "Somewhere", "country": country}
    return {**place, "location": location} if location else place


def person(*interests, place=None):
    return register({"handle": "dora", "display_name": "Dora", "interests": list(interests), "place": place}, NOW)


def group(*interests, scope="virtual", place=None, members=1, visibility="public"):
    wanted = {"name": "G", "interests": list(interests), "scope": scope, "place": place, "visibility": visibility}
    return replace(found(wanted, "g", "ana", NOW), member_count=members)


def suggested(who, *groups, members=None):
    return [one.group for one in suggestions(who, groups, members or {})]


def test_a_group_is_suggested_for_shared_interests_for_being_near_and_for_who_is_in_it():
    dora = person("kittens", "bacon", "tea", place=at(WASHINGTON))
    one = group("bacon", "kittens", "hockey", scope="regional", place=at(BALTIMORE))
    assert suggestions(dora, [one], {one.id: 3})[0].reasons == [
        {"kind": "interests", "interests": ["kittens", "bacon"]},
        {"kind": "members", "members": 3},
        {"kind": "near", "distance_km": 56.6},
    ]


def test_what_nothing_speaks_for_is_not_suggested():
    assert suggested(person("kittens"), group("hockey")) == []
    assert suggested(person(place=at(None)), group("hockey", scope="national", place=at(None))) == []


def test_what_not_all_may_find_is_not_suggested():
    for visibility in ("private", "unlisted"):
        assert suggested(person("tea"), group("tea", visibility=visibility)) == []
    assert suggested(person("tea"), replace(group("tea"), status="archived")) == []


def test_only_what_reaches_the_person_is_suggested():
    dora = person("tea", place=at(WASHINGTON))
    fits = [
        group("tea"),
        group("tea", scope="national", place=at(BOSTON)),
        group("tea", scope="local", place=at(None)),
        group("tea", scope="regional", place=at(BALTIMORE)),
    ]
    others = [
        group("tea", scope="local", place=at(BALTIMORE)),
        group("tea", scope="regional", place=at(BOSTON)),
        group("tea", scope="national", place=at(WASHINGTON, "CA")),
    ]
    assert set(map(id, suggested(dora, *fits, *others))) == set(map(id, fits))


def test_best_is_what_shares_more_then_where_one_knows_more_then_what_is_nearer_or_larger():
    dora = person("kittens", "bacon", place=at(WASHINGTON))
    both = group("kittens", "bacon")
    known, near, large, small = (
        group("bacon"),
        group("bacon", scope="local", place=at(WASHINGTON)),
        group("bacon", members=50),
        group("bacon"),
    )
    assert suggested(dora, small, large, near, known, both, members={known.id: 9}) == [both, known, near, large, small]


def test_a_person_is_asked_after_by_what_is_known_of_them():
    ways = [(search.interests, course.name) for search, course in searches(person("a", "b", place=at(WASHINGTON)))]
    assert ways == [
        (("a", "b"), "several nearest"),
        (("a", "b"), "several elsewhere"),
        (("a", "b"), "any nearest"),
        (("a", "b"), "any elsewhere"),
        ((), "any nearest"),
    ]
    assert [course.name for _, course in searches(person("a", place=at(None)))] == ["any sorted"]
    assert list(searches(person())) == []


@given(st.lists(st.sampled_from([("a",), ("b",), ("a", "b"), ("a", "b", "c")]), max_size=12), st.integers(1, 5))
def test_page_after_page_shows_everything_once(kinds, limit):
    found = suggestions(person("a", "b", "c"), [group(*kind) for kind in kinds], {})
    seen, place = [], None
    while page := beyond(found, place)[:limit]:
        seen += page
        place = page[-1].place
    assert seen == found
