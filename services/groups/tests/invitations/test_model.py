"""The rules about invitations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from chassis.problems import NotAllowed
from groups.groups.model import AlreadyArchived, Viewer, archive, found
from groups.invitations import model
from groups.invitations.codes import code_of, new_code
from groups.sessions.model import hash_of

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
FIELDS = {"name": "Kittens", "interests": ["kittens"], "scope": "virtual"}
GROUP = found(FIELDS, "kittens", "ana", NOW)
OLD, NEW = (ECKey.generate_key("P-256").as_pem(private=True).decode() for _ in range(2))
WANTED = {"max_uses": 2, "expires_in_hours": 3}


def test_an_invitation_holds_until_it_is_used_up_or_expires():
    made = model.invite(GROUP, "inv_1", "hash", WANTED, NOW)
    assert made.holds(NOW)
    assert made.holds(NOW + timedelta(hours=3, milliseconds=-1))
    assert not made.holds(NOW + timedelta(hours=3))
    assert replace(made, uses=1).holds(NOW)
    assert not replace(made, uses=2).holds(NOW)


@pytest.mark.parametrize("viewer", [None, Viewer("member", "active"), Viewer("moderator", "removed")])
def test_members_invite_nobody(viewer):
    with pytest.raises(NotAllowed):
        model.invite(replace(GROUP, viewer=viewer), "inv_1", "hash", WANTED, NOW)


def test_nobody_is_invited_into_an_archived_group():
    with pytest.raises(AlreadyArchived):
        model.invite(archive(GROUP, NOW), "inv_1", "hash", WANTED, NOW)


def test_a_code_can_be_shown_while_its_key_is_among_the_signing_keys():
    code = new_code(OLD, "inv_1")
    made = model.invite(GROUP, "inv_1", hash_of(code), WANTED, NOW)
    assert [code_of(keys, made) for keys in (OLD, NEW + OLD, NEW)] == [code, code, None]


def test_each_invitation_and_each_key_has_a_code_of_its_own():
    codes = {new_code(key, identifier) for key in (OLD, NEW) for identifier in ("inv_1", "inv_2")}
    assert len(codes) == 4
    assert all(len(code) == 26 and code.isalnum() for code in codes)
