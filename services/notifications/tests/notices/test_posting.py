"""Notices are posted in the order of their ids, whoever posts them and whenever, so that nobody who reads on misses one."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import eventlet
import pytest
from pymongo.errors import OperationFailure

from chassis.ids import first_id_at, id_after
from chassis.live import Live
from chassis.testing import wait_until
from chassis.timers import Tick
from notifications.audiences.model import Audience, People
from notifications.notices.model import Draft, Notice
from notifications.notices.posting import POSTING, post, post_drafts
from notifications.notices.store import Drafts

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KITTENS = {"id": "grp_kittens", "slug": "kittens", "name": "Kittens"}
SUBJECT = {"type": "group", "id": "grp_kittens", "href": "/v1/groups/grp_kittens"}


def draft(title, audience=Audience("person", "psn_ana"), **fields):
    notice = Notice("watch.matched", audience, title, "Have a look!", KITTENS, SUBJECT, NOW, **fields)
    return Draft(notice, "person", None)


@pytest.fixture
def begin(store):
    """The id after which the notices of this test come."""
    return store.posting.last()


def after(store, last):
    """What was posted after an id, as (id, title), in order."""
    found = store.notices.documents.find({"_id": {"$gt": last}}, {"title": 1}, sort=[("_id", 1)])
    return [(one["_id"], one["title"]) for one in found]


def titles(store, last):
    return [title for _, title in after(store, last)]


def test_what_commits_late_is_posted_late_though_it_was_made_first(store, another, begin):
    slow, quick = another(), another()
    with slow.transaction(Tick()) as tx:
        tx.drafts.add(draft("made first"))
        with quick.transaction(Tick()) as other:
            other.drafts.add(draft("committed first"))
        post_drafts(quick, Live())
        [(seen, _)] = after(store, begin)
    post_drafts(slow, Live())
    assert titles(store, seen) == ["made first"]


def test_a_notice_follows_one_that_was_posted_by_a_clock_that_is_ahead(store, begin):
    ahead = first_id_at("ntc", datetime.now(UTC) + timedelta(minutes=5))
    with store.transaction(Tick()) as tx:
        tx.posting.hold()
        tx.posting.reached(ahead)
    for title in ("one", "two"):
        store.drafts.add(draft(title))
        post_drafts(store, Live())
    assert [title for _, title in after(store, ahead)] == ["one", "two"]


def test_who_reads_on_while_many_processes_post_gets_each_notice_once(store, another, begin):
    processes, each = 4, 25
    done = threading.Event()
    read = []

    def post_some(number):
        own = another()
        for one in range(each):
            post(own, Live(), Tick(), draft(f"{number}.{one}"))

    def read_on():
        own, last = another(), begin
        while True:
            enough = done.is_set()
            read.extend(found := after(own, last))
            last = found[-1][0] if found else last
            if enough and not found:
                return

    posting = [threading.Thread(target=post_some, args=(number,)) for number in range(processes)]
    reading = threading.Thread(target=read_on)
    for one in (reading, *posting):
        one.start()
    for one in posting:
        one.join(60)
    post_drafts(store, Live())
    done.set()
    reading.join(60)
    assert sorted(title for _, title in read) == sorted(f"{n}.{one}" for n in range(processes) for one in range(each))
    assert read == after(store, begin)


def test_who_posts_alone_makes_no_draft(store, begin, monkeypatch):
    monkeypatch.setattr(Drafts, "add", lambda *_: pytest.fail("a draft was made"))
    post(store, Live(), Tick(), draft("at once"))
    assert titles(store, begin) == ["at once"]


def test_what_one_posts_while_others_of_the_process_do_is_posted_with_theirs(store, begin):
    posting = []
    with store.turns.take(POSTING):
        for title in ("one", "two"):
            posting.append(eventlet.spawn(post, store, Live(), Tick(), draft(title)))
            eventlet.sleep()
        assert titles(store, begin) == []
    for one in posting:
        one.wait()
    assert titles(store, begin) == ["one", "two"]


def test_what_one_posts_while_another_process_does_is_posted_after_it(store, another, begin):
    posting = threading.Thread(target=post, args=(another(), Live(), Tick(), draft("second")))
    with store.transaction(Tick()) as tx:
        last = id_after(tx.posting.hold(), "ntc")
        posting.start()
        wait_until(store.drafts.any)
        tx.notices.append(replace(draft("first").notice, id=last))
        tx.posting.reached(last)
    posting.join(30)
    assert titles(store, begin) == ["first", "second"]


def test_what_is_drafted_for_people_who_are_gone_is_not_posted(store, begin):
    store.forgotten.add("psn_gone", NOW)
    store.drafts.add(draft("to one who is gone", Audience("person", "psn_gone")))
    store.drafts.add(draft("of one who is gone", not_for=("psn_gone",), names="psn_gone"))
    store.drafts.add(draft("to two", People(("psn_gone", "psn_ana"))))
    post_drafts(store, Live())
    assert titles(store, begin) == ["to two"]
    kept = store.notices.documents.find_one({"_id": {"$gt": begin}})
    assert kept["audience"] == "person:psn_ana"
    assert not store.drafts.any()


def test_two_never_post_at_once_nor_while_somebody_is_being_forgotten(store, another):
    with store.transaction(Tick()) as tx:
        tx.posting.hold()
        with pytest.raises(OperationFailure) as fault, another().transaction(Tick()) as other:
            other.posting.hold()
    assert fault.value.has_error_label("TransientTransactionError")


def test_the_order_goes_on_from_the_notices_where_it_is_not_known(store, begin):
    store.drafts.add(draft("before"))
    post_drafts(store, Live())
    [(last, _)] = after(store, begin)
    store.posting.documents.delete_many({})
    assert store.posting.last() == last
    store.drafts.add(draft("after"))
    post_drafts(store, Live())
    assert titles(store, last) == ["after"]
