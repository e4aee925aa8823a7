"""People say where they get their mail, and prove that they read it, before anything else is sent there."""

import json
from datetime import timedelta

import pytest

from chassis.testing import wait_until
from notifications.email.model import CODES_PER_HOUR, TRIES
from postoffice import html_of, text_of

PATH, VERIFICATION = "/v1/me/email", "/v1/me/email/verification"


def give(post, who, address=None):
    return post.service.api.put(PATH, {"address": address or post.address(who)}, as_=who)


def verify(post, who, code):
    return post.service.api.post(VERIFICATION, {"code": code}, as_=who)


def held(post, who):
    return post.ask("/v1/me/export/notifications", who).json()["mailbox"]


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_code_is_mailed_and_the_address_counts_once_it_came_back(post):
    post.registered(post.ana)
    answer = give(post, post.ana)
    address = post.address(post.ana)
    assert (answer.status, answer.json()) == (202, {"address": address, "verified": False})
    code = post.office.code_for(address)
    assert held(post, post.ana) == {"address": None, "wanted": address, "bounces": 0}
    answer = verify(post, post.ana, code)
    assert (answer.status, answer.json()) == (200, {"address": address, "verified": True})
    assert held(post, post.ana) == {"address": address, "wanted": None, "bounces": 0}


def test_the_mail_with_a_code_says_what_it_is_and_cannot_be_unsubscribed(post):
    post.registered(post.ana)
    give(post, post.ana)
    [mail] = post.office.wait_for(post.address(post.ana))
    code = post.office.code_for(post.address(post.ana))
    assert mail["Subject"] == f"{code} is your code"
    assert mail["From"] == "Common Ground <notices@cg.example>"
    assert mail["List-Unsubscribe"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Hello Ana," in text_of(mail) and code in html_of(mail)


def test_no_code_stands_in_the_database_nor_in_the_log(post):
    give(post, post.ana)
    code = post.office.code_for(post.address(post.ana))
    for collection in ("mailboxes", "mails", "codes_sent", "outbox"):
        assert code not in str(list(post.store.database[collection].find({}, {"_id": 0})))
    assert code not in post.service.process.tail(1_000)


def test_until_the_new_address_is_verified_mail_goes_to_the_old_one(post):
    old = post.verified(post.ana)
    give(post, post.ana, "new." + old)
    post.office.code_for("new." + old)
    assert held(post, post.ana)["address"] == old
    post.matched(post.group(), post.ana)
    assert post.office.wait_for(old, 2)[-1]["Subject"].startswith("A group for")
    verify(post, post.ana, post.office.code_for("new." + old))
    post.matched(post.group(), post.ana)
    assert post.office.wait_for("new." + old, 2)[-1]["Subject"].startswith("A group for")
    assert len(post.office.to(old)) == 2


def test_a_wrong_code_is_refused_and_after_five_the_right_one_too(post):
    give(post, post.ana)
    code = post.office.code_for(post.address(post.ana))
    for number in range(TRIES):
        answer = verify(post, post.ana, wrong(code))
        assert (answer.status, answer.problem) == (422, "invalid")
        assert answer.json()["errors"][0]["pointer"] == "/code"
        assert f"{TRIES - 1 - number} more" in answer.json()["detail"]
    answer = verify(post, post.ana, code)
    assert (answer.status, answer.problem) == (409, "nothing-to-verify")
    assert held(post, post.ana)["address"] is None
    give(post, post.ana)
    assert verify(post, post.ana, post.office.code_for(post.address(post.ana), 2)).status == 200


def test_many_guesses_at_once_are_no_more_than_five(post):
    give(post, post.ana)
    code = post.office.code_for(post.address(post.ana))
    api = post.service.api
    sent = [api.send("POST", VERIFICATION, {"code": wrong(code)}, as_=post.ana) for _ in range(8)]
    statuses = sorted(api.receive(one).status for one in sent)
    assert statuses.count(422) <= TRIES
    assert post.store.mailboxes.get(post.ana.id).code.tries == statuses.count(422)


def test_a_code_counts_once_and_only_for_whom_it_was_mailed_to(post):
    give(post, post.ana)
    code = post.office.code_for(post.address(post.ana))
    assert verify(post, post.ben, code).problem == "nothing-to-verify"
    assert verify(post, post.ana, code).status == 200
    assert verify(post, post.ana, code).problem == "nothing-to-verify"


def test_the_newest_code_counts(post):
    give(post, post.ana)
    first = post.office.code_for(post.address(post.ana))
    give(post, post.ana)
    second = post.office.code_for(post.address(post.ana), 2)
    if first != second:
        assert verify(post, post.ana, first).status == 422
    assert verify(post, post.ana, second).status == 200


def test_an_old_code_does_not_count(post):
    give(post, post.ana)
    code = post.office.code_for(post.address(post.ana))
    kept = post.store.mailboxes.get(post.ana.id).code
    post.store.mailboxes.documents.update_one(
        {"_id": post.ana.id}, {"$set": {"code.sent_at": kept.sent_at - timedelta(minutes=31)}}
    )
    assert verify(post, post.ana, code).problem == "nothing-to-verify"


def test_an_address_of_the_profile_is_handed_over_and_a_code_is_mailed(post):
    address = post.address(post.ana)
    post.given(post.ana, address)
    assert verify(post, post.ana, post.office.code_for(address)).status == 200
    post.given(post.ana, address)
    post.given(post.ana, "not mailable@example")
    assert held(post, post.ana) == {"address": address, "wanted": None, "bounces": 0}
    post.given(post.ana, None)
    assert held(post, post.ana) == {"address": None, "wanted": None, "bounces": 0}
    assert len(post.office.to(address)) == 1


def test_an_address_that_was_handed_over_late_changes_nothing(post):
    late = post.given(post.ana, "old." + post.address(post.ana), held=True)
    post.given(post.ana, post.address(post.ana))
    post.publish(late)
    post.settled()
    assert held(post, post.ana)["wanted"] == post.address(post.ana)


@pytest.mark.parametrize(
    "address",
    [
        "ana",
        "ana@",
        "@example.org",
        "ana@example",
        "ana@exam ple.org",
        "ana@example.org, ben@example.org",
        "Ana <ana@example.org>",
        "ana@example.org\n",
        "ana@example.org\r\nBcc: ben@example.org",
        "a..b@example.org",
        "änna@example.org",
        '"a b"@example.org',
        "a" * 65 + "@example.org",
        "a@" + "b" * 250 + ".org",
        "",
        " ",
        None,
        7,
        {"$gt": ""},
    ],
    ids=str,
)
def test_what_is_no_address_is_refused_and_changes_nothing(post, address):
    answer = post.service.api.put(PATH, {"address": address}, as_=post.ana)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/address"
    assert held(post, post.ana)["wanted"] is None


@pytest.mark.parametrize("body", [{}, {"address": "ana@example.org", "name": "Ana"}, [], "ana@example.org"], ids=str)
def test_a_body_of_another_form_is_refused(post, body):
    assert post.service.api.put(PATH, body, as_=post.ana).status in (400, 422)


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "١٢٣٤٥٦", "", None, 123456, {"$gt": ""}], ids=str)
def test_what_is_no_code_is_refused_and_costs_no_try(post, code):
    give(post, post.ana)
    right = post.office.code_for(post.address(post.ana))
    answer = verify(post, post.ana, code)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert post.store.mailboxes.get(post.ana.id).code.tries == 0
    assert verify(post, post.ana, right).status == 200


def test_mail_is_for_those_signed_in(post):
    assert post.service.api.put(PATH, {"address": "ana@example.org"}).status == 401
    assert post.service.api.post(VERIFICATION, {"code": "123456"}).status == 401


def test_who_erased_themselves_has_no_mailbox_whatever_comes_late(post):
    address = post.verified(post.ana)
    late = post.given(post.ana, address, held=True)
    post.erased(post.ana)
    post.publish(late)
    post.settled()
    assert give(post, post.ana, address).status == 401
    for collection in ("mailboxes", "codes_sent", "mails", "digests"):
        everything = json.dumps(list(post.store.database[collection].find()), default=str)
        assert post.ana.id not in everything and address not in everything


def test_only_so_many_codes_are_mailed_in_an_hour_to_a_person_and_to_an_address(post):
    address = post.address(post.ana)
    for who in [post.ana] * (CODES_PER_HOUR - 1) + [post.ben]:
        assert give(post, who, address).status == 202
    for who, to in ((post.chris, address), (post.chris, address.upper())):
        answer = give(post, who, to)
        assert (answer.status, answer.problem) == (429, "too-many-requests")
        assert 0 < int(answer.headers["Retry-After"]) <= 3601
    assert give(post, post.ana, "other." + address).status == 202
    assert give(post, post.ana, "third." + address).status == 429
    post.given(post.ana, "fourth." + address)
    assert held(post, post.ana)["wanted"] == "fourth." + address
    assert "code." + post.ana.id not in post.mails(post.ana)


def test_without_a_mail_server_it_says_so(world):
    answer = world.service.api.put(PATH, {"address": "ana@example.org"}, as_=world.ana)
    assert (answer.status, answer.problem) == (503, "unavailable")
    world.matched(world.group(), world.ana)
    wait_until(lambda: world.titles(world.ana), what="the notice")
    assert list(world.store.mails.documents.find({"person": world.ana.id})) == []
