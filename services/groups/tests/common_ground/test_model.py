"""The rules of common ground."""

from hypothesis import given
from hypothesis import strategies as st

from groups.common_ground import model

NAMES = st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=6)
PAIRS = st.tuples(st.text(), st.text())


def test_the_rarest_shared_interest_comes_first():
    used = {"kittens": 900, "bacon": 12, "hockey": 5}
    assert model.shared_interests(
        ["kittens", "bacon", "knitting"], ["knitting", "bacon", "kittens", "hockey"], used
    ) == [
        "knitting",
        "bacon",
        "kittens",
    ]


@given(PAIRS, NAMES, NAMES, NAMES)
def test_the_same_two_people_get_the_same_lines_whoever_asks(pair, interests, events, groups):
    lines = model.openers(pair, interests, events, groups)
    assert lines == model.openers(pair[::-1], interests, events, groups)
    things = len(interests) + (len(interests) > 1) + len(events) + len(groups)
    assert len(lines) == min(things, model.OPENERS)
    assert len(set(lines)) == len(lines)


def test_lines_are_of_different_kinds():
    lines = model.openers(("ana", "ben"), ["kittens", "bacon"], ["Brunch"], ["Kittens and Bacon"])
    assert len(lines) == 3
    assert all(word in line.casefold() for word in ("kittens", "bacon") for line in lines[:1])
    assert ("“Brunch”" in lines[1], "Kittens and Bacon" in lines[2]) == (True, True)


def test_different_people_get_different_lines():
    everybody = {model.openers((f"psn_{n}", "ben"), ["kittens"], [], [])[0] for n in range(40)}
    assert len(everybody) == len(model.INTEREST_LINES)


def test_evenings_of_the_same_name_are_asked_about_once():
    assert len(model.openers(("ana", "ben"), [], ["Brunch", "Brunch"], [])) == 1


def test_braces_in_names_are_only_braces():
    [line] = model.openers(("ana", "ben"), [], [], ["{0} {x}"])
    assert "{0} {x}" in line


def test_where_nothing_is_shared_there_is_nothing_to_begin_with():
    assert model.openers(("ana", "ben"), [], [], []) == []
