"""How often is too often."""

from __future__ import annotations

import time

import pytest

from gateway.rates import Memory, RateExceeded, Rates, is_limit


def test_counts_each_person_for_itself():
    rates = Rates("2/minute", "1/minute")
    for person in ("psn_a", "psn_b"):
        rates.admit(person, "192.0.2.1")
        rates.admit(person, "192.0.2.1")
        with pytest.raises(RateExceeded):
            rates.admit(person, "192.0.2.9")


def test_counts_an_address_when_nobody_is_signed_in():
    rates = Rates("9/minute", "1/minute")
    rates.admit(None, "2001:db8::1")
    with pytest.raises(RateExceeded):
        rates.admit(None, "2001:db8::2")
    rates.admit(None, "2001:db8:0:1::1")


def test_a_refusal_says_when_to_come_back():
    rates = Rates("9/minute", "2/minute")
    rates.admit(None, "192.0.2.1")
    rates.admit(None, "192.0.2.1")
    with pytest.raises(RateExceeded) as refused:
        rates.admit(None, "192.0.2.1")
    headers = refused.value.extra_headers
    wait = int(headers["Retry-After"])
    assert 1 <= wait <= 91
    assert headers["RateLimit-Policy"] == '"address";q=2;w=60'
    assert headers["RateLimit"] == f'"address";r=0;t={wait}'


@pytest.mark.parametrize("begin", [0, 1, 30, 59.9])
@pytest.mark.parametrize("spacing", [0, 0.5, 5])
def test_who_comes_back_when_told_is_admitted(monkeypatch, begin, spacing):
    now = 1_800_000_000 // 60 * 60 + begin
    monkeypatch.setattr(time, "time", lambda: now)
    rates = Rates("9/minute", "10/minute")
    waits = 0
    for _ in range(60):
        now += spacing
        try:
            rates.admit(None, "192.0.2.1")
        except RateExceeded as refused:
            waits += 1
            now += int(refused.extra_headers["Retry-After"])
            rates.admit(None, "192.0.2.1")
    assert waits


def test_a_route_has_a_limit_of_its_own():
    rates = Rates("99/minute", "99/minute")
    rates.admit_to_route("a.try", "1/minute", None, "192.0.2.1")
    with pytest.raises(RateExceeded):
        rates.admit_to_route("a.try", "1/minute", None, "192.0.2.1")
    rates.admit_to_route("a.other", "1/minute", None, "192.0.2.1")
    rates.admit_to_route("a.try", "1/minute", "psn_a", "192.0.2.1")


def test_guesses_are_refused_once_an_address_used_its_requests_up():
    rates = Rates("9/minute", "1/minute")
    rates.admit_guess("192.0.2.1")
    rates.admit_guess("192.0.2.1")
    rates.admit(None, "192.0.2.1")
    with pytest.raises(RateExceeded):
        rates.admit_guess("192.0.2.1")


def test_off_is_off():
    rates = Rates("1/minute", "1/minute", on=False)
    for _ in range(5):
        rates.admit(None, "192.0.2.1")
        rates.admit_guess("192.0.2.1")
        rates.admit_to_route("a.try", "1/minute", None, "192.0.2.1")


def test_the_memory_forgets_what_expired(monkeypatch):
    memory = Memory()
    for number in range(10):
        memory.incr(f"key{number}", 0.001)
    time.sleep(0.01)
    memory._forget_at = 0
    memory.incr("last", 60)
    assert list(memory.storage) == ["last"]
    assert list(memory.expirations) == ["last"]


def test_a_store_that_is_away_closes_the_door_to_nobody(caplog):
    rates = Rates("1/minute", "1/minute", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
    for _ in range(2):
        rates.admit(None, "192.0.2.1")
    assert "rate limits cannot be counted" in caplog.text


def test_says_what_is_a_limit():
    assert is_limit(None)
    assert is_limit("10/minute")
    assert not is_limit("often")
