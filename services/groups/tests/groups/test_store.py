"""Groups in the real database."""

import eventlet
import pytest
from pymongo import MongoClient

from chassis.store import OpenStore
from groups.groups.model import Viewer, found
from groups.members.model import Membership
from groups.service import Groups


@pytest.fixture(scope="module")
def store(shared_database):
    with MongoClient(shared_database, tz_aware=True) as client:
        opened = OpenStore(client, "groups", Groups.store.repositories)
        opened.make_indexes()
        yield opened


@pytest.fixture(scope="module")
def kittens(store):
    """Two groups; psn_ana is in the first of them."""
    from datetime import UTC, datetime

    now = datetime(2026, 11, 23, 18, 0, 0, 123000, UTC)
    fields = {"name": "K", "summary": "", "description": "", "interests": ["kittens"], "scope": "virtual", "rules": ""}
    fields |= {"join_policy": "open", "visibility": "public", "ask_after": {"days": 0, "events": 0}}
    groups = [found(fields, slug, "ana", now) for slug in ("kittens", "more-kittens")]
    for group in groups:
        group.viewer = None
        store.groups.add(group)
    store.members.save(Membership(groups[0].id, "psn_ana", "moderator", "active", now))
    return groups


def test_a_group_is_read_as_it_was_kept(store, kittens):
    assert store.groups.seen_by("kittens", None) == kittens[0]
    assert store.groups.seen_by(kittens[0].id, None) == kittens[0]


def test_a_group_is_seen_with_what_the_person_is_in_it(store, kittens):
    assert store.groups.seen_by("kittens", "psn_ana").viewer == Viewer("moderator", "active")
    assert store.groups.seen_by("kittens", "psn_ben").viewer is None


def test_who_looks_at_the_same_time_sees_what_they_would_see_alone(store, kittens):
    sights = [
        ("kittens", "psn_ana"),
        ("kittens", "psn_ben"),
        ("kittens", None),
        (kittens[0].id, "psn_ana"),
        ("more-kittens", "psn_ana"),
        (kittens[1].id, None),
        ("nothing", "psn_ana"),
        ("grp_nothing", None),
    ]
    alone = [store.groups.seen_by(*sight) for sight in sights]
    pool = eventlet.GreenPool(len(sights) * 3)
    together = list(pool.imap(lambda sight: store.groups.seen_by(*sight), sights * 3))
    assert together == alone * 3
    assert [one and one.viewer for one in alone[:4]] == [
        Viewer("moderator", "active"),
        None,
        None,
        Viewer("moderator", "active"),
    ]
    assert alone[6:] == [None, None]


def test_a_transaction_sees_what_it_has_written(store, kittens):
    with store.client.start_session() as session, session.start_transaction():
        groups = store.groups.__class__(store.database, session)
        kittens[0].summary = "new"
        groups.save(kittens[0])
        assert groups.seen_by("kittens", "psn_ana").summary == "new"
        session.abort_transaction()
    assert store.groups.seen_by("kittens", None).summary == ""
