"""Mail tells people what they want to be told by mail, once each, at once or in a digest, and ends with one click."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chassis.ids import new_id
from chassis.testing import wait_until
from postoffice import html_of, text_of


@pytest.fixture
def kittens(post):
    """A group that Ana founded and Ben joined."""
    group = post.group()
    post.founded(group)
    post.joined(group, post.ana, "organizer")
    post.joined(group, post.ben)
    return group


def subjects(post, who, number):
    """The subjects of the mails to somebody after the one with the code, once there are so many."""
    return [mail["Subject"] for mail in post.office.wait_for(post.address(who), number + 1)[1:]]


def settled(post, who, state, number=1):
    """Wait until so many of somebody's mails came to this."""
    wait_until(
        lambda: [one["state"] for one in post.mails(who).values()].count(state) >= number, what=f"a mail {state}"
    )


def due_now(post, who, rhythm="daily"):
    """Have somebody's digest fall due, as an operator can."""
    post.store.digests.documents.update_one({"_id": f"{who.id}.{rhythm}"}, {"$set": {"due_at": datetime.now(UTC)}})


# -- at once


def test_who_wants_it_at_once_gets_a_mail_in_text_and_html(post, kittens):
    post.verified(post.ben)
    event = post.event(kittens, "Bacon <b>brunch</b> & more")
    post.promoted(kittens, event, post.ben)
    [_, mail] = post.office.wait_for(post.address(post.ben), 2)
    assert mail["Subject"] == "You are in: Bacon <b>brunch</b> & more"
    assert mail["From"] == "Common Ground <notices@cg.example>"
    assert mail["To"] == post.address(post.ben)
    link = f"https://cg.example/v1/events/{event['id']}"
    assert "You are in: Bacon <b>brunch</b> & more" in text_of(mail) and link in text_of(mail)
    assert "Bacon &lt;b&gt;brunch&lt;/b&gt; &amp; more" in html_of(mail) and link in html_of(mail)
    assert "<b>" not in html_of(mail)


def test_a_mail_is_named_by_its_notice_and_person_and_threaded_by_its_group(post, kittens):
    post.verified(post.ben)
    post.promoted(kittens, post.event(kittens), post.ben)
    post.promoted(kittens, post.event(kittens, "Yoga"), post.ben)
    [_, first, second] = post.office.wait_for(post.address(post.ben), 3)
    named = {f"<{item['id']}.{post.ben.id}@cg.example>" for item in post.inbox(post.ben)}
    assert {first["Message-ID"], second["Message-ID"]} == named
    for mail in (first, second):
        assert mail["References"] == mail["In-Reply-To"] == f"<{kittens['id']}@cg.example>"


def test_each_of_an_audience_gets_it_and_nobody_else(post, kittens):
    event = post.event(kittens)
    post.joined(kittens, post.chris)
    for one in (post.ben, post.chris, post.eve):
        post.verified(one)
    post.answered(kittens, event, post.ben, "maybe")
    post.answered(kittens, event, post.chris, "going")
    post.answered(kittens, event, post.chris, "not_going", was="going")
    post.cancelled(kittens, event, by=post.ana)
    post.matched(kittens, post.eve)
    assert subjects(post, post.ben, 1) == ["Cancelled: Bacon brunch"]
    assert subjects(post, post.eve, 1) == ["A group for kittens and bacon: Kittens and Bacon"]
    assert len(post.office.to(post.address(post.chris))) == 1


def test_who_answered_any_of_several_events_gets_one_mail_about_all(post, kittens):
    events = [post.event(kittens) for _ in range(3)]
    post.joined(kittens, post.chris)
    for one in (post.ben, post.chris):
        post.verified(one)
    for event in events:
        post.answered(kittens, event, post.ben, "going")
    post.answered(kittens, events[2], post.chris, "maybe")
    ids = [event["id"] for event in events]
    post.cancelled(kittens, events[0], by=post.ana, data={"tells_of": ids})
    for event in events[1:]:
        post.cancelled(kittens, event, by=post.ana, data={"told_with": ids[0]})
    post.matched(kittens, post.ben)
    post.matched(kittens, post.chris)
    for one in (post.ben, post.chris):
        expected = ["Cancelled: Bacon brunch", "A group for kittens and bacon: Kittens and Bacon"]
        assert sorted(subjects(post, one, 2)) == sorted(expected)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_who_answered_any_of_several_events_is_found_once_chunk_by_chunk(post, kittens, limit):
    events = [post.event(kittens) for _ in range(3)]
    post.answered(kittens, events[0], post.ben, "going")
    post.answered(kittens, events[0], post.ben, "not_going", was="going")
    for event, who in ((events[1], post.ben), (events[2], post.ben), (events[0], post.chris), (events[2], post.eve)):
        post.answered(kittens, event, who, "maybe")
    found, after = [], ""
    while True:
        people, after = post.store.standings.next_in([event["id"] for event in events], after, limit)
        found += people
        if not after:
            break
    assert sorted(found) == sorted(one.id for one in (post.ben, post.chris, post.eve))


@pytest.mark.parametrize("strangers", [0, 1_100], ids=["few get mail", "many get mail"])
def test_an_audience_of_more_than_one_chunk_is_mailed_to_the_last(post, kittens, strangers):
    # The chunk of the service is 1,000; what this one adds are people without mail, among whom the last is not, and
    # strangers who get mail.
    unknown = [{"_id": new_id("psn"), "key": new_id("key"), "address": None} for _ in range(strangers)]
    if unknown:
        post.store.mailboxes.documents.insert_many(unknown)
    event = post.event(kittens)
    post.answered(kittens, event, post.ben, "going")
    [standing] = post.store.standings.documents.find({"person": post.ben.id, "to": event["id"]})
    crowd = [new_id("psn") for _ in range(2_100)]
    post.store.standings.documents.insert_many(
        [{**standing, "_id": f"{one}/{event['id']}", "person": one} for one in crowd]
    )
    last = post.person("zoe")
    post.answered(kittens, event, last, "going")
    for one in (post.ben, last):
        post.verified(one)
    post.cancelled(kittens, event, by=post.ana)
    assert subjects(post, post.ben, 1) == subjects(post, last, 1) == ["Cancelled: Bacon brunch"]
    assert post.store.mails.documents.count_documents({"person": {"$in": crowd}}) == 0
    post.store.mailboxes.documents.delete_many({"_id": {"$in": [one["_id"] for one in unknown]}})


def test_only_what_is_wanted_at_once_is_mailed_at_once(post, kittens):
    for one in (post.ana, post.ben):
        post.verified(one)
    post.prefer(post.ben, defaults={"event.scheduled": {"email": "now"}, "rsvp.promoted": {"email": "off"}})
    event = post.event(kittens)
    post.scheduled(kittens, event)
    post.promoted(kittens, event, post.ben)
    post.promoted(kittens, event, post.ana)
    assert subjects(post, post.ben, 1) == ["New: Bacon brunch"]
    assert subjects(post, post.ana, 1) == ["You are in: Bacon brunch"]


def test_what_one_did_oneself_and_what_one_muted_is_not_mailed(post, kittens):
    for one in (post.ana, post.ben):
        post.verified(one)
        post.prefer(one, defaults={"ask.opened": {"email": "now"}})
    hockey = post.group("Hockey Fans")
    post.prefer(post.ben, groups={kittens["id"]: "mute", hockey["id"]: "highlights"})
    post.joined(hockey, post.ben)
    post.asked(hockey, post.chris, {"id": new_id("ask"), "title": "A puck?", "kind": "hands"})
    post.asked(kittens, post.ana, {"id": new_id("ask"), "title": "A ladder?", "kind": "hands"})
    post.promoted(kittens, post.event(kittens), post.ben)
    post.promoted(hockey, post.event(hockey, "Game night"), post.ben)
    post.promoted(kittens, post.event(kittens, "Yoga"), post.ana)
    assert subjects(post, post.ben, 1) == ["You are in: Game night"]
    assert subjects(post, post.ana, 1) == ["You are in: Yoga"]


def test_without_a_verified_address_nothing_is_mailed(post, kittens):
    address = post.address(post.ben)
    post.service.api.put("/v1/me/email", {"address": address}, as_=post.ben)
    post.office.wait_for(address)
    post.promoted(kittens, post.event(kittens), post.ben)
    post.verified(post.ana)
    post.promoted(kittens, post.event(kittens), post.ana)
    assert subjects(post, post.ana, 1)
    assert len(post.office.to(address)) == 1


def test_times_are_on_the_clock_and_in_the_language_of_whom_it_is_for(post, kittens):
    post.verified(post.ben, time_zone="Asia/Tokyo", locale="de-DE")
    post.promoted(kittens, post.event(kittens), post.ben)
    [_, mail] = post.office.wait_for(post.address(post.ben), 2)
    assert "24.11.2026, 03:00" in text_of(mail)


# -- quiet hours


def test_quiet_hours_hold_mail_back_and_drop_none(post, kittens):
    post.verified(post.ben, time_zone="Asia/Tokyo")
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    until = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    hours = {"from": f"{now - timedelta(hours=2):%H:%M}", "to": f"{until:%H:%M}"}
    post.prefer(post.ben, quiet_hours=hours)
    post.promoted(kittens, post.event(kittens), post.ben)
    waiting = lambda: [one for one in post.mails(post.ben).values() if one["what"] == "notice"]  # noqa: E731
    wait_until(waiting, what="the mail")
    [mail] = waiting()
    assert mail["due_at"] == until.astimezone(UTC)
    # Somebody makes it due all the same: the hours still hold.
    post.store.mails.documents.update_one({"_id": mail["_id"]}, {"$set": {"due_at": datetime.now(UTC)}})
    wait_until(lambda: waiting()[0]["due_at"] == until.astimezone(UTC), what="holding it back")
    post.prefer(post.ben, quiet_hours=None)
    post.store.mails.documents.update_one({"_id": mail["_id"]}, {"$set": {"due_at": datetime.now(UTC)}})
    assert subjects(post, post.ben, 1) == ["You are in: Bacon brunch"]


def test_a_code_is_mailed_in_quiet_hours_too(post):
    post.prefer(post.ben, quiet_hours={"from": "00:00", "to": "23:59"})
    post.verified(post.ben)


def test_what_was_held_back_is_not_mailed_to_who_may_not_read_it_any_more(post):
    group = post.group(visibility="private")
    post.founded(group)
    post.joined(group, post.ben)
    event = post.event(group)
    post.answered(group, event, post.ben, "going")
    post.verified(post.ben)
    hours = datetime.now(UTC)
    quiet = {"from": f"{hours - timedelta(hours=2):%H:%M}", "to": f"{hours + timedelta(hours=2):%H:%M}"}
    post.prefer(post.ben, quiet_hours=quiet)
    post.promoted(group, event, post.ben)
    post.changed(group, event, by=post.ana)
    wait_until(lambda: len(post.mails(post.ben)) == 3, what="two mails that wait")
    post.left(group, post.ben)
    post.prefer(post.ben, quiet_hours=None)
    post.store.mails.documents.update_many(
        {"person": post.ben.id, "what": "notice"}, {"$set": {"due_at": datetime.now(UTC)}}
    )
    settled(post, post.ben, "dropped", 2)
    assert len(post.office.to(post.address(post.ben))) == 1


# -- digests


@pytest.mark.parametrize("rhythm", ["daily", "weekly"])
def test_a_digest_has_what_is_new_and_is_of_its_rhythm_once(post, kittens, rhythm):
    post.verified(post.ben)
    post.prefer(
        post.ben,
        defaults={
            "event.scheduled": {"email": rhythm},
            "ask.opened": {"email": "off"},
            "event.changed": {"email": "now"},
        },
    )
    event = post.event(kittens, "Bacon <i>brunch</i>")
    post.scheduled(kittens, event)
    post.scheduled(kittens, post.event(kittens, "Yoga"))
    post.asked(kittens, post.ana, {"id": new_id("ask"), "title": "A ladder?", "kind": "hands"})
    [read] = [one for one in post.inbox(post.ben) if one["title"] == "New: Yoga"]
    post.service.api.post("/v1/inbox/read", {"ids": [read["id"]]}, as_=post.ben)
    due_now(post, post.ben, rhythm)
    [_, mail] = post.office.wait_for(post.address(post.ben), 2, timeout=20)
    assert mail["Subject"] == f"Your {'day' if rhythm == 'daily' else 'week'} with Common Ground"
    assert "New: Bacon <i>brunch</i>" in text_of(mail) and "Bacon &lt;i&gt;brunch" in html_of(mail)
    assert "Yoga" not in text_of(mail) and "ladder" not in text_of(mail)
    assert mail["List-Unsubscribe"].endswith(f".{rhythm}>")
    digest = post.store.digests.get(post.ben.id, rhythm)
    assert digest.done and digest.due_at > datetime.now(UTC)
    # The day is done: another due time on it brings no second digest.
    due_now(post, post.ben, rhythm)
    wait_until(lambda: post.store.digests.get(post.ben.id, rhythm).due_at > datetime.now(UTC), 20)
    assert len([one for one in post.mails(post.ben).values() if one["what"] == "digest"]) == 1


def test_a_digest_without_anything_to_tell_is_not_sent(post):
    post.verified(post.ben)
    due_now(post, post.ben)
    wait_until(lambda: "dropped" in [one["state"] for one in post.mails(post.ben).values()], 20, "dropping it")
    assert len(post.office.to(post.address(post.ben))) == 1


def test_who_moves_gets_their_digest_at_eight_there(post):
    post.verified(post.ben, time_zone="America/New_York")
    for zone in ("America/New_York", "Asia/Tokyo"):
        post.registered(post.ben, "updated", time_zone=zone)
        due = post.store.digests.get(post.ben.id, "daily").due_at
        assert due.astimezone(ZoneInfo(zone)).hour == 8
        weekly = post.store.digests.get(post.ben.id, "weekly").due_at.astimezone(ZoneInfo(zone))
        assert (weekly.weekday(), weekly.hour) == (0, 8)


# -- ending it


def unsubscribing(mail):
    """The path that a mail names for ending such mail."""
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = mail["List-Unsubscribe"].strip("<>")
    assert address.startswith("https://cg.example/v1/unsubscribe/")
    assert address in text_of(mail) and address in html_of(mail)
    return address.removeprefix("https://cg.example")


def test_one_click_ends_that_kind_of_mail_and_no_other(post, kittens):
    post.verified(post.ben)
    post.promoted(kittens, post.event(kittens), post.ben)
    [_, mail] = post.office.wait_for(post.address(post.ben), 2)
    path = unsubscribing(mail)
    page = post.service.api.get(path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'<form method="post">' in page.body
    preferred = lambda: post.ask("/v1/me/notices", post.ben).json()  # noqa: E731
    assert preferred()["version"] == 1
    for _ in range(2):
        answer = post.service.api.call("POST", path, body=b"List-Unsubscribe=One-Click")
        assert answer.status == 200 and b"<form" not in answer.body
    assert preferred()["version"] == 2
    assert preferred()["defaults"]["rsvp.promoted"] == {"inbox": True, "email": "off"}
    assert preferred()["defaults"]["event.cancelled"]["email"] == "now"
    post.promoted(kittens, post.event(kittens, "Yoga"), post.ben)
    post.matched(kittens, post.ben)
    assert subjects(post, post.ben, 2) == [
        "You are in: Bacon brunch",
        "A group for kittens and bacon: Kittens and Bacon",
    ]


def test_ending_a_digest_ends_all_that_comes_in_it(post):
    post.verified(post.ben)
    key = post.store.mailboxes.get(post.ben.id).key
    assert post.service.api.post(f"/v1/unsubscribe/{key}.daily").status == 200
    defaults = post.ask("/v1/me/notices", post.ben).json()["defaults"]
    assert "daily" not in [one["email"] for one in defaults.values()]
    assert {"now", "weekly", "off"} <= {one["email"] for one in defaults.values()}


@pytest.mark.parametrize("what", ["no_such_kind", "", "rsvp.promoted%00", "now"])
def test_a_token_that_ends_nothing_is_not_found(post, what):
    post.verified(post.ben)
    key = post.store.mailboxes.get(post.ben.id).key
    for method in ("GET", "POST"):
        for token in (f"{key}.{what}", "stranger.rsvp.promoted", "%24where"):
            answer = post.service.api.call(method, f"/v1/unsubscribe/{token}")
            assert (answer.status, answer.problem) == (404, "not-found")
    assert post.ask("/v1/me/notices", post.ben).json()["version"] == 1


# -- what the mail server says


@pytest.fixture
def failed(post, channel):
    """What is published of mail that could not be delivered: a function that gives the data of all so far."""
    import json

    listening = channel.connection.channel()
    queue = listening.queue_declare("", exclusive=True).queue
    listening.queue_bind(queue, "commonground.messages", "notifications.delivery.failed.v1")
    found = []

    def get():
        while (message := listening.basic_get(queue, no_ack=True)) is not None:
            found.append(json.loads(message.body))
        return found

    yield get
    listening.close()


def test_an_address_that_refuses_three_times_for_good_gets_no_more_mail_until_it_is_verified_again(
    post, kittens, failed
):
    address = post.verified(post.ben)
    post.office.refusals[address] = f"550 5.1.1 <{address}>: no such person here"
    for number in range(3):
        post.promoted(kittens, post.event(kittens), post.ben)
        settled(post, post.ben, "bounced", number + 1)
    wait_until(lambda: len(failed()) == 3, what="telling it")
    assert [one["data"] for one in failed()] == [
        {"channel": "email", "kind": "rsvp.promoted", "reason": "550 5.1.1"}
    ] * 3
    assert {one["audience"] for one in failed()} == {"person"}
    assert address not in str(failed())
    del post.office.refusals[address]
    post.promoted(kittens, post.event(kittens), post.ben)
    post.verified(post.ana)
    post.promoted(kittens, post.event(kittens), post.ana)
    subjects(post, post.ana, 1)
    assert len(post.office.to(address)) == 1
    assert post.ask("/v1/me/export/notifications", post.ben).json()["mailbox"]["bounces"] == 3
    post.verified(post.ben)
    post.promoted(kittens, post.event(kittens, "Yoga"), post.ben)
    assert post.office.wait_for(address, 3)[-1]["Subject"] == "You are in: Yoga"


def test_mail_that_arrives_between_forgives_what_was_refused_before(post, kittens):
    address = post.verified(post.ben)
    for answer in ("554 5.7.1 looks like spam", "554 5.7.1 looks like spam", "250 OK"):
        post.office.answers[address] = answer
        before = len(post.mails(post.ben))
        post.promoted(kittens, post.event(kittens), post.ben)
        wait_until(lambda n=before: len([m for m in post.mails(post.ben).values() if m["state"]]) == n + 1)
    wait_until(lambda: post.store.mailboxes.get(post.ben.id).bounces == 0, what="forgiving")


def test_what_is_refused_for_now_is_tried_again_later_and_at_last_given_up(post, kittens, failed):
    address = post.verified(post.ben)
    post.office.answers[address] = "451 4.7.1 greylisted"
    post.promoted(kittens, post.event(kittens), post.ben)
    found = lambda: next((m for m in post.mails(post.ben).values() if m["attempts"]), None)  # noqa: E731
    wait_until(found, what="the first attempt")
    mail = found()
    assert (mail["attempts"], mail["reason"], mail["state"]) == (1, "451 4.7.1", None)
    assert timedelta(seconds=45) < mail["due_at"] - datetime.now(UTC) < timedelta(seconds=75)
    again = {"$set": {"due_at": datetime.now(UTC), "attempts": 8}}
    post.store.mails.documents.update_one({"_id": mail["_id"]}, again)
    settled(post, post.ben, "failed")
    wait_until(failed, what="telling it")
    assert failed()[0]["data"] == {"channel": "email", "kind": "rsvp.promoted", "reason": "451 4.7.1"}
    assert post.store.mailboxes.get(post.ben.id).bounces == 0
    post.office.answers[address] = "250 OK"
    post.promoted(kittens, post.event(kittens, "Yoga"), post.ben)
    assert subjects(post, post.ben, 1) == ["You are in: Yoga"]


def test_a_mail_server_that_is_away_or_hangs_up_loses_no_mail(post, kittens):
    post.verified(post.ben)
    post.office.close()
    try:
        post.promoted(kittens, post.event(kittens), post.ben)
        wait_until(lambda: "the mail server cannot be reached" in post.service.process.tail(100), 20, "noticing")
    finally:
        post.office.open()
    assert post.office.wait_for(post.address(post.ben), 2, timeout=20)[-1]["Subject"] == "You are in: Bacon brunch"
    [mail] = [one for one in post.mails(post.ben).values() if one["what"] == "notice"]
    assert mail["attempts"] == 0


def test_a_slow_mail_server_delays_neither_calls_nor_messages(post, kittens):
    people = [post.person(f"slow{number}") for number in range(6)]
    for one in people:
        post.verified(one)
    post.office.seconds = 4.0
    try:
        for one in people:
            post.promoted(kittens, post.event(kittens), one)
        begun = datetime.now(UTC)
        for _ in range(20):
            assert post.ask("/v1/me/notices", post.ana).status == 200
        post.scheduled(kittens, post.event(kittens, "Meanwhile"))
        assert post.titles(post.ben)[0] == "New: Meanwhile"
        assert datetime.now(UTC) - begun < timedelta(seconds=4)
    finally:
        post.office.seconds = 0.0
    for one in people:
        subjects(post, one, 1)


def test_connections_are_kept(post, kittens):
    for one in (post.ana, post.ben):
        post.verified(one)
    before = post.office.connections
    for number in range(12):
        post.promoted(kittens, post.event(kittens, f"Number {number}"), post.ben)
    subjects(post, post.ben, 12)
    assert post.office.connections - before <= 4


# -- who is gone


def test_an_export_has_ones_mails_and_digests_and_nothing_is_left_after_erasure(post, kittens):
    post.verified(post.ben)
    post.promoted(kittens, post.event(kittens), post.ben)
    settled(post, post.ben, "sent", 2)
    export = post.ask("/v1/me/export/notifications", post.ben).json()
    assert sorted((one["kind"], one["state"]) for one in export["mails"]) == [
        ("email.verification", "sent"),
        ("rsvp.promoted", "sent"),
    ]
    assert {one["rhythm"] for one in export["digests"]} == {"daily", "weekly"}
    token = post.store.mailboxes.get(post.ben.id).key + ".daily"
    late = post.promoted(kittens, post.event(kittens), post.ben, held=True)
    post.erased(post.ben)
    post.publish(late)
    post.settled()
    for collection in ("mailboxes", "mails", "digests", "codes_sent", "preferences"):
        assert post.ben.id not in str(list(post.store.database[collection].find()))
    assert post.service.api.post(f"/v1/unsubscribe/{token}").status == 404
