"""The rules about sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.problems import AuthenticationRequired
from groups.sessions import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
DAY = timedelta(days=1)


def begun():
    session = model.begin("psn_1", NOW, 30 * DAY)
    return session, model.refresh_token_of(session, "secret")


def test_a_session_goes_on_by_its_token():
    session, token = begun()
    on = model.refresh(session, token, NOW + 29 * DAY, 30 * DAY)
    assert (on.id, on.created_at) == (session.id, NOW)
    assert on.expires_at == NOW + 59 * DAY


def test_a_session_that_nobody_refreshed_in_time_has_ended():
    session, token = begun()
    with pytest.raises(AuthenticationRequired):
        model.refresh(session, token, NOW + 30 * DAY, 30 * DAY)


def test_a_spent_token_tells_which_session_has_to_end():
    session, token = begun()
    token.spent = True
    with pytest.raises(model.SpentToken) as refusal:
        model.refresh(session, token, NOW, 30 * DAY)
    assert refusal.value.session == session.id


def test_a_token_without_session_or_a_session_without_token_is_refused():
    session, token = begun()
    for pair in ((None, token), (session, None), (None, None)):
        with pytest.raises(AuthenticationRequired):
            model.refresh(*pair, NOW, DAY)


def test_a_token_is_kept_by_its_hash_only():
    _, token = begun()
    assert "secret" not in token.id
    assert token.id == model.hash_of("secret")


def test_secrets_are_256_random_bits():
    one, other = model.new_secret("cgr_"), model.new_secret("cgr_")
    assert one != other
    assert one.startswith("cgr_")
    assert len(one) == len("cgr_") + 43


def test_one_may_try_as_often_as_is_allowed():
    model.check_attempts(model.HANDLE, 9, NOW + DAY, NOW, allowed=10)


def test_one_more_is_refused_until_the_span_ends():
    with pytest.raises(model.TooManyAttempts) as refusal:
        model.check_attempts(model.HANDLE, 10, NOW + timedelta(seconds=59.2), NOW, allowed=10)
    assert refusal.value.extra_headers == {
        "Retry-After": "60",
        "RateLimit-Policy": '"sign-in-handle";q=10;w=900',
        "RateLimit": '"sign-in-handle";r=0;t=60',
    }
