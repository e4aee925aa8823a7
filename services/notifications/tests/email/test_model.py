"""Which address counts, what a code is worth, and how it is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.email import model
from notifications.email.model import Mailbox, NothingToVerify

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
NEW = Mailbox("psn_ana")
CODE = model.kept("012345", NOW)


def coded(mailbox, code=CODE):
    return type(mailbox)(**{name: getattr(mailbox, name) for name in Mailbox.__slots__} | {"code": code})


def test_a_code_is_kept_so_that_nobody_can_read_it():
    assert b"012345" not in CODE.salt + CODE.digest
    assert model.is_code("012345", CODE)
    assert not model.is_code("012346", CODE)
    assert model.kept("012345", NOW).digest != CODE.digest


def test_a_code_has_six_digits():
    assert all(len(code := model.new_code()) == 6 and code.isdecimal() for _ in range(100))


def test_an_address_counts_after_the_right_code_only():
    wanted = coded(model.give(NEW, "ana@example.org"))
    assert wanted.active is None
    assert model.guessed(wanted, False).active is None
    assert model.guessed(wanted, True).active == "ana@example.org"


def test_a_code_is_worth_five_tries_and_half_an_hour():
    mailbox = coded(model.give(NEW, "ana@example.org"))
    assert model.guessable(mailbox, NOW + timedelta(minutes=29)) == CODE
    with pytest.raises(NothingToVerify):
        model.guessable(mailbox, NOW + timedelta(minutes=30))
    for _ in range(model.TRIES):
        model.guessable(mailbox, NOW)
        mailbox = model.guessed(mailbox, False)
    with pytest.raises(NothingToVerify):
        model.guessable(mailbox, NOW)


def test_another_address_takes_the_code_away():
    with pytest.raises(NothingToVerify):
        model.guessable(model.give(coded(model.give(NEW, "ana@example.org")), "ana@example.com"), NOW)


def test_an_address_that_refused_three_times_gets_no_more_until_it_is_verified_again():
    refused = Mailbox("psn_ana", address="ana@example.org", bounces=model.HARD_BOUNCES)
    assert (refused.active, refused.ended) == (None, True)
    assert model.guessed(coded(model.give(refused, "ana@example.org")), True).active == "ana@example.org"


TOLD = st.lists(st.sampled_from(["a@example.org", "b@example.org", None]), min_size=1, max_size=6)


@given(st.data(), TOLD)
def test_what_a_profile_said_last_counts_in_whatever_order_it_arrives(data, history):
    mailbox = NEW
    for number in data.draw(st.permutations(range(len(history)))):
        mailbox = model.take_over(mailbox, history[number], number + 1)
    assert mailbox.wanted == history[-1]


def test_what_a_profile_said_before_or_what_cannot_be_mailed_changes_nothing():
    known = Mailbox("psn_ana", address="ana@example.org", given=3)
    assert model.take_over(known, "ben@example.org", 3) is known
    assert model.take_over(known, "ana@example.org", 4).wanted is None
    assert model.take_over(known, "ana@localhost", 4).wanted is None
