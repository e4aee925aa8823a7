"""Projections come out the same in whatever order messages come, and however often."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.ids import new_id
from chassis.store import OpenStore, open_store
from events.groups.model import STRANGER, Group, Membership
from events.service import Events

HISTORY = [
    ("active", "member"),
    ("active", "moderator"),
    ("removed", None),
    ("active", "member"),
    ("left", None),
    ("active", "organizer"),
]


@pytest.fixture(scope="module")
def opened(shared_database: str) -> Iterator[OpenStore]:
    store = open_store(shared_database, "events", Events.store.repositories)
    store.make_indexes()
    yield store
    store.client.close()


any_order = st.integers(1, len(HISTORY)).flatmap(
    lambda length: st.lists(st.integers(0, length - 1), max_size=8).flatmap(
        lambda again: st.permutations([*range(length), *again])
    )
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=any_order)
def test_a_membership_is_as_its_newest_message_says(opened: OpenStore, order: Sequence[int]) -> None:
    group, person = new_id("grp"), new_id("psn")
    for number in order:
        status, role = HISTORY[number]
        opened.memberships.note(group, person, 10 + number, status, role)
    newest = max(order)
    assert opened.memberships.get(group, person) == Membership(*HISTORY[newest], 10 + newest)
    assert opened.memberships.groups_of(person) == ([group] if HISTORY[newest][0] == "active" else [])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(4)))
def test_a_group_is_as_its_newest_message_says_and_stays_archived(opened: OpenStore, order: Sequence[int]) -> None:
    group = new_id("grp")
    told = [
        {"slug": group, "name": "Kittens", "visibility": "public", "interests": ["kittens"]},
        {"slug": group, "name": "Cats", "visibility": "public", "interests": ["cats"]},
        {"slug": group, "name": "Cats", "visibility": "private", "interests": ["cats"]},
    ]
    for number in order:
        if number < len(told):
            opened.groups.project(group, 1 + number, told[number])
        else:
            opened.groups.archive(group)
    assert opened.groups.find(group) == Group(group, group, "Cats", "private", ["cats"], True, 3)


def test_a_group_of_which_only_the_end_is_known_is_not_known(opened: OpenStore) -> None:
    opened.groups.archive("grp_ended")
    assert opened.groups.find("grp_ended") is None


def test_nobody_knows_of_whom_no_message_told(opened: OpenStore) -> None:
    assert opened.groups.find("grp_unknown") is None
    assert opened.groups.find("unknown") is None
    assert opened.memberships.get("grp_unknown", "psn_unknown") == STRANGER
    assert opened.memberships.of("grp_unknown", ["psn_1"]) == {"psn_1": STRANGER}


def test_a_slug_belongs_to_the_group_that_took_it_last(opened: OpenStore) -> None:
    slug = new_id("")
    seen = {"slug": slug, "visibility": "public", "interests": []}
    opened.groups.project("grp_old" + slug, 3, {**seen, "name": "Old"})
    opened.groups.project("grp_new" + slug, 9, {**seen, "name": "New"})
    found = opened.groups.find(slug)
    assert found is not None and found.name == "New"


def test_a_group_that_is_held_changes_for_nobody_else(opened: OpenStore) -> None:
    group = new_id("grp")
    opened.groups.project(group, 1, {"slug": group, "name": "A", "visibility": "public", "interests": []})
    before = opened.groups.find(group)
    assert opened.groups.hold(group) == before
    assert opened.groups.hold("grp_unknown") is None
