"""The rules of search."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import MalformedRequest
from chassis.vocabulary import normalize_interest
from groups.search import model
from groups.search.model import Search

POINTS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def place(point):
    return {"name": "Somewhere", "country": "US", "location": {"lat": point[0], "lon": point[1]}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kittens AND Bacon!", ["kittens", "and", "bacon"]),
        ("Café crème", ["cafe", "creme"]),
        ("Straße", ["strasse"]),
        ("קפה", ["קפה"]),
        ("猫", ["猫"]),
        ("東京猫カフェ", ["東京", "京猫", "猫カ", "カフ", "フェ"]),
        ("東京 tokyo2020", ["東京", "tokyo2020"]),
        ("mix東京mix", ["mix", "東京"]),
        ("バス が", ["バス", "が"]),
        ("ｶﾀｶﾅ", ["カタ", "タカ", "カナ"]),
        ("한국 고양이", ["한국", "고양", "양이"]),
        ("Οι Γάτες της ΓΆΤΑΣ", ["οι", "γατεσ", "τησ", "γατασ"]),
        ("نَادِي القِطَـط", ["نادي", "القطط"]),
        ("בֵּית־קָפֶה", ["בית", "קפה"]),
        ("हिन्दी", ["हिन्दी"]),
        ("กินแมว", ["กิ", "ิน", "นแ", "แม", "มว"]),
        ("İstanbul snake_case", ["istanbul", "snake", "case"]),
        ("I ❤️ 🐱", ["i", "❤", "🐱"]),
        ("!? --- ", []),
    ],
)
def test_words_are_found_in_any_language(text, words):
    assert model.words(text) == words


@given(st.text(), st.text())
def test_a_text_has_the_words_of_its_parts(one, other):
    assert set(model.words(one, other)) == set(model.words(one)) | set(model.words(other))


@given(st.text())
def test_a_text_is_found_by_its_words(text):
    assert set(model.words(text)) <= set(model.words_to_find(text))


def test_a_character_of_a_script_without_spaces_is_found_by_itself():
    assert model.words("猫") == ["猫"]
    assert "猫" in model.words_to_find("東京猫カフェ")


@given(st.text())
def test_words_are_found_whatever_the_case(text):
    assert set(model.words(text.casefold())) == set(model.words(text))


@given(st.sets(st.text(min_size=1, max_size=10), max_size=8))
def test_a_set_of_interests_has_each_two_of_them_as_a_pair_once(texts):
    interests = set()
    for text in texts:
        try:
            interests.add(normalize_interest(text))
        except ValueError:
            continue
    pairs = model.pairs_of(interests)
    assert len(pairs) == len(set(pairs)) == math.comb(len(interests), 2)
    assert pairs == model.pairs_of(sorted(interests, reverse=True))
    assert all(set(pair.split("\n")) <= interests for pair in pairs)


@pytest.mark.parametrize(
    ("near", "there", "km"),
    [
        ((38.9, -77.03), (38.9, -77.03), 0.0),
        ((38.9, -77.03), (39.29, -76.61), 56.6),
        ((52.52, 13.405), (48.8566, 2.3522), 878.4),
        ((0, 0), (0, 180), 20037.5),
        ((0, 179.9), (0, -179.9), 22.3),
    ],
)
def test_distances_are_those_on_the_surface(near, there, km):
    assert model.distance_km(near, place(there)) == pytest.approx(km, abs=0.1)


@given(POINTS, POINTS)
def test_there_and_back_are_equally_far(one, other):
    assert model.metres(one, place(other)) == model.metres(other, place(one))
    assert 0 <= model.metres(one, place(other)) <= 20_040_000


def test_without_a_point_or_a_location_there_is_no_distance():
    assert model.distance_km(None, place((1, 2))) is None
    assert model.distance_km((1, 2), None) is None
    assert model.distance_km((1, 2), {"name": "W", "country": "US"}) is None


def test_size_counts_in_powers_of_two():
    assert [model.size_of(count) for count in (0, 1, 2, 3, 4, 7, 8, 100_000)] == [0, 1, 2, 2, 3, 3, 4, 17]


def test_a_ladder_goes_from_local_to_virtual():
    assert [scope for scope, _ in model.ladder(Search())] == ["local", "regional", "national", "virtual"]
    assert [step.scopes for _, step in model.ladder(Search())] == [
        ("local",),
        ("regional",),
        ("national",),
        ("virtual",),
    ]


def test_a_ladder_has_the_rungs_that_were_asked_for():
    assert [scope for scope, _ in model.ladder(Search(scopes=("virtual", "regional")))] == ["regional", "virtual"]


def test_a_regional_group_reaches_further_than_a_search_that_widens():
    steps = dict(model.ladder(Search(near=(1, 2), within_km=10)))
    assert steps["local"].reach_km("local") == 10
    assert steps["regional"].reach_km("regional") == 300


def test_virtual_groups_are_everywhere():
    step = dict(model.ladder(Search(near=(1, 2), country="US")))["virtual"]
    assert (step.country, step.bounded) == (None, False)


SEARCHES = st.builds(
    Search,
    interests=st.sampled_from([(), ("a",), ("a", "b"), ("a", "b", "c")]),
    match=st.sampled_from(["all", "any"]),
    near=st.none() | st.just((1.0, 2.0)),
    sort=st.sampled_from(["best", "newest", "largest", "nearest"]),
)


@given(SEARCHES)
def test_every_course_has_a_name_of_its_own_and_a_total_order(search):
    if search.sort == "nearest" and search.near is None:
        search = replace(search, near=(1.0, 2.0))
    courses = model.courses(search)
    assert len({course.name for course in courses}) == len(courses) > 0
    assert all(course.order[-1] == ("_id", -1) for course in courses)


def test_best_has_those_who_share_more_first():
    shares = [course.share for course in model.courses(Search(interests=("a", "b"), match="any"))]
    assert shares == ["several", "one"]


@pytest.mark.parametrize("place", [["x", "grp_1"], [1], [1, 2], [{"$gt": 0}, "grp_1"], [None, "grp_1"]])
def test_a_made_up_place_is_refused(place):
    courses = model.courses(Search())
    with pytest.raises(MalformedRequest):
        model.check_place(courses, courses[0].name, place)
    with pytest.raises(MalformedRequest):
        model.check_place(courses, "another course", [1, "grp_1"])


def test_what_fits_is_shared_and_what_does_not_is_missing(found_group):
    match = model.match(Search(interests=("bacon", "vim", "kittens"), near=(38.9, -77.03)), found_group)
    assert (match.shared, match.missing, match.distance_km) == (["bacon", "kittens"], ["vim"], 0.0)


@pytest.fixture
def found_group():
    from datetime import UTC, datetime

    from groups.groups.model import found

    fields = {"name": "K", "interests": ["kittens", "bacon"], "scope": "local", "place": place((38.9, -77.03))}
    return found(fields, "k", "ana", datetime(2026, 11, 23, tzinfo=UTC))
