"""The inbox is read by index, exactly, however many audiences one has and however old or late their notices are."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.ids import first_id_at
from notifications.audiences.model import ALWAYS
from notifications.inbox import store as inbox_store
from notifications.inbox.model import Reader, View, read_up_to
from notifications.inbox.store import MERGED, Ends, _cut_floors, _query

START = datetime(2026, 1, 1, tzinfo=UTC)
ME = "psn_me"
OWN = f"person:{ME}"
CROWD = [f"person:psn_{number}" for number in range(500)]


def at(minutes):
    return START + timedelta(minutes=minutes)


def place(minutes, number):
    """An id made at this minute, another for each number."""
    return f"{first_id_at('ntc', at(minutes))[:-6]}{number:06d}"


@pytest.fixture(scope="module")
def audiences(store):
    """The keys of 600 audiences, which have 12,000 notices, one a minute; some were posted long after they happened.

    The first is a person's own: every hundredth notice was told them and a crowd of others.
    """
    chance = random.Random(2026)
    keys = [OWN, *(f"group:grp_{number}" for number in range(599))]
    NOTICES[:] = [
        {
            "_id": place(minute, minute),
            "audience": chance.choice(keys[1:]) if minute % 100 else [*CROWD[: minute % 7], OWN, *CROWD[minute % 7 :]],
            "kind": "member.removed" if minute % 13 == 0 else "ask.opened" if minute % 3 else "event.scheduled",
            "title": f"New: {minute}",
            "at": at(minute - (2_000 if minute % 50 == 0 else 0)),
            "group": {"id": f"grp_{minute % 7}"},
            "not_for": ["psn_other", "psn_me"] if minute % 11 == 0 else ["psn_other"],
        }
        for minute in range(12_000)
    ]
    store.inbox.documents.insert_many(NOTICES)
    yield keys
    store.inbox.documents.delete_many({})


NOTICES: list[dict[str, Any]] = []


def expected(view, before=None):
    """What a view should have, newest first, the slow and simple way."""
    return [
        one["_id"]
        for one in reversed(NOTICES)
        if (audience := one["audience"] if isinstance(one["audience"], str) else OWN) in view.audiences
        and one["at"] >= view.audiences[audience]
        and view.person not in one["not_for"]
        and (before is None or one["_id"] < before)
        and not (view.unread_of and view.unread_of.has_read(one["_id"]))
        and (one["group"]["id"] not in view.hidden or one["kind"] == "member.removed")
        and view.kind in (None, one["kind"])
        and (view.groups is None or one["group"]["id"] in view.groups)
        and one["kind"] not in view.silent
        and one["group"]["id"] not in view.muted
        and (one["group"]["id"] not in view.highlights or one["kind"] != "ask.opened")
    ]


def views(audiences):
    """Views of people with few and many audiences, old and new ones, who read nothing, something and nearly all."""
    chance = random.Random(23)
    for number in (1, 3, 100, 250, 600):
        for recent in (0, 0.5, 1):
            some = chance.sample(audiences[1:], number - 1)
            since = {key: at(chance.randrange(9_000, 12_000)) if chance.random() < recent else ALWAYS for key in some}
            since[OWN] = ALWAYS
            for reader in (None, Reader("psn_me", place(6_000, 0)), Reader("psn_me", "", frozenset([place(9, 9)]))):
                yield View(since, ME, unread_of=reader)
            yield View(since, ME, hidden=frozenset({"grp_1"}))
            yield View(since, ME, groups=("grp_2", "grp_x"), hidden=frozenset({"grp_2"}))
            yield View(since, ME, kind="event.scheduled")
            yield View(
                since, ME, muted=frozenset({"grp_1"}), highlights=frozenset({"grp_2"}), hidden=frozenset({"grp_3"})
            )
            yield View(since, ME, silent=frozenset({"event.scheduled"}), kind="event.scheduled")
            yield View(since, ME, silent=frozenset({"event.scheduled", "member.removed"}))


def test_the_newest_are_exactly_what_a_view_has(store, audiences):
    for view in views(audiences):
        wanted = expected(view)
        assert [one["_id"] for one in store.inbox.newest(view, None, 21)] == wanted[:21]
        if len(wanted) > 50:
            found = store.inbox.newest(view, wanted[40], 100)
            assert [one["_id"] for one in found] == wanted[41:141]


def test_what_is_remembered_of_the_last_time_changes_nothing_but_the_time_it_takes(store, audiences, monkeypatch):
    """Whatever the guess: far too low, too high, of a page of another length, and after one left or joined."""
    ends = Ends(most=1)
    monkeypatch.setattr(inbox_store, "_ends", ends)
    for view in views(audiences):
        if not view.is_whole or not view.audiences:
            continue
        wanted = expected(view)
        for guess in ("", place(3_000, 0), *wanted[5:60:7], place(13_000, 0)):
            ends.remember(ME, guess)
            assert [one["_id"] for one in store.inbox.newest(view, None, 21)] == wanted[:21]
            if len(wanted) >= 21:
                assert ends.of(ME) == wanted[20]
    ends.remember("psn_other", place(1, 1))
    assert ends.of(ME) is None


def test_whether_a_view_shows_one_notice_is_what_the_query_says_of_all(store, audiences):
    for view in views(audiences):
        shown = [one["_id"] for one in reversed(NOTICES) if view.shows(one)]
        assert shown == expected(view)


def test_the_count_is_what_a_view_has_up_to_the_most(store, audiences):
    for view in views(audiences):
        wanted = len(expected(view))
        assert store.inbox.count(view, 1_000) == min(wanted, 1_000)
        assert store.inbox.count(view, 20_000) == wanted


def test_only_notices_in_the_view_are_among_it(store, audiences):
    view = View(dict.fromkeys(audiences[:20], at(6_000)), ME)
    wanted = expected(view)
    asked = [place(minute, minute) for minute in range(0, 12_000, 3)]
    assert sorted(store.inbox.among(view, asked)) == sorted(set(wanted) & set(asked))


def test_a_view_of_nothing_has_nothing(store, audiences):
    view = View({}, ME)
    assert (store.inbox.newest(view, None, 5), store.inbox.count(view, 5), store.inbox.among(view, ["ntc_x"])) == (
        [],
        0,
        [],
    )


def test_of_a_crowd_only_who_looks_is_shown(store, audiences):
    [notice] = store.inbox.newest(View({OWN: ALWAYS}, ME), None, 1)
    assert notice["audience"] == [OWN]
    assert "psn_7" not in str(notice)


def stages(plan):
    """The names of all stages of a plan."""
    yield plan["stage"]
    for inner in [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", []):
        yield from stages(inner)


@pytest.mark.parametrize("number", [1, 2, MERGED, 250, 600])
@pytest.mark.parametrize("recent", [False, True], ids=["one floor", "a floor each"])
def test_pages_are_merged_by_index_without_sorting_or_scanning(store, audiences, number, recent):
    since = {key: at(10 * place) if recent else ALWAYS for place, key in enumerate(audiences[:number])}
    view = View(since, ME, hidden=frozenset({"grp_x"}))
    examined = 0
    for part in _cut_floors(view.floors(), MERGED):
        explained = store.inbox._find(view, part, None).limit(21).explain()
        plan = set(stages(explained["queryPlanner"]["winningPlan"]))
        assert plan <= {"PROJECTION_DEFAULT", "LIMIT", "FETCH", "SORT_MERGE", "IXSCAN"}
        assert explained["executionStats"]["totalDocsExamined"] <= 40
        examined += explained["executionStats"]["totalKeysExamined"]
    assert examined <= 3 * number + 40 * (number // MERGED + 1)


@pytest.mark.parametrize("number", [1, 100, 600])
def test_counts_go_by_index(store, audiences, number):
    reader = read_up_to(Reader("psn_me"), place(6_000, 0), at(12_000))
    view = View({key: at(11 * place) for place, key in enumerate(audiences[:number])}, ME, unread_of=reader)
    for part in _cut_floors(view.floors(), MERGED):
        query = _query(view, part)
        explained = store.inbox.documents.find(query, hint="newest_of_an_audience").explain()
        assert set(stages(explained["queryPlanner"]["winningPlan"])) <= {"FETCH", "OR", "IXSCAN"}


def test_what_is_held_about_a_person_is_found_by_index(store, audiences):
    for query in ({"audience": OWN}, {"audience": OWN, "audience.1": {"$exists": True}}, {"not_for": ME, "names": ME}):
        plan = store.notices.documents.find(query).explain()["queryPlanner"]["winningPlan"]
        assert set(stages(plan)) == {"FETCH", "IXSCAN"}
    plan = store.forgotten.documents.find({"_id": {"$in": [ME, "psn_1"]}}).explain()["queryPlanner"]["winningPlan"]
    assert "COLLSCAN" not in stages(plan)


def test_what_a_person_belongs_to_and_what_they_read_are_found_by_index(store):
    for repository, query in ((store.standings, {"person": "psn_me"}), (store.groups, {"slug": "kittens"})):
        plan = repository.documents.find(query).explain()["queryPlanner"]["winningPlan"]
        assert set(stages(plan)) == {"FETCH", "IXSCAN"}
