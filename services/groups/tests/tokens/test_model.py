"""The rules about API tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.problems import NotAllowed
from groups.tokens import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
WANTED = {"name": "bot", "scopes": ["read"]}


def test_a_token_holds_as_long_as_was_wanted():
    assert model.make("psn_1", "ses_1", {**WANTED, "expires_in_days": 30}, NOW).expires_at == NOW + timedelta(days=30)


def test_a_token_holds_until_it_is_deleted_where_nothing_was_said():
    assert model.make("psn_1", "ses_1", WANTED, NOW).expires_at is None


def test_a_token_cannot_make_another():
    with pytest.raises(NotAllowed):
        model.make("psn_1", None, WANTED, NOW)
