"""The rules about groups."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import NotAllowed, NotFound
from groups.groups import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
WANTED = {
    "name": "Kittens and Bacon",
    "summary": "",
    "description": "",
    "interests": ["kittens", "bacon"],
    "scope": "local",
    "place": {"name": "Washington", "country": "US"},
    "join_policy": "open",
    "visibility": "public",
    "rules": "",
    "ask_after": {"days": 0, "events": 0},
}


def group(**fields):
    return model.found({**WANTED, **fields}, "kittens-and-bacon", "ana", NOW)


def seen_as(role, status="active", **fields):
    seen = group(**fields)
    seen.viewer = role and model.Viewer(role, status)
    return seen


def test_a_founder_is_the_only_member_and_the_organizer():
    founded = group()
    assert (founded.member_count, founded.organizers, founded.role) == (1, ["ana"], "organizer")
    assert (founded.status, founded.version) == ("active", 1)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Kittens and Bacon", "kittens-and-bacon"),
        ("  Café  Déjà-vu!  ", "cafe-deja-vu"),
        ("猫 & Bacon", "bacon"),
        ("猫とベーコン", ""),
        ("🐱🥓", ""),
        ("ﬁne", "fine"),
        ("x" * 80, "x" * 60),
    ],
)
def test_a_slug_is_what_ascii_has_of_a_name(name, slug):
    assert model.slug_of(name) == slug


@given(st.text(min_size=3, max_size=80), st.sampled_from(model.VISIBILITIES))
def test_every_name_has_slugs_without_end(name, visibility):
    slugs = list(islice(model.slugs(name, visibility), 5))
    assert len(set(slugs)) == 5
    for slug in slugs:
        assert slug.strip("-") == slug
        assert slug.isascii()
        assert 3 <= len(slug) <= 80
        assert not slug.startswith("grp_")


def test_the_first_slug_of_a_public_group_is_plain():
    assert next(model.slugs("Kittens and Bacon", "public")) == "kittens-and-bacon"


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_no_slug_of_another_group_can_be_guessed(visibility):
    slug = next(model.slugs("Kittens and Bacon", visibility))
    assert len(slug) >= len("kittens-and-bacon-") + 16


def test_a_change_takes_a_version_and_says_what_changed():
    after, changed = model.change(group(), {**WANTED, "summary": "Both!", "scope": "national"}, LATER)
    assert changed == ["summary", "scope"]
    assert (after.summary, after.version, after.updated_at) == ("Both!", 2, LATER)


def test_a_change_to_what_is_already_so_takes_none():
    before = group()
    assert model.change(before, WANTED, LATER) == (before, [])


def test_an_archived_group_does_not_change():
    with pytest.raises(model.AlreadyArchived):
        model.change(model.archive(group(), NOW), {**WANTED, "summary": "x"}, LATER)


@given(st.sets(st.sampled_from(model.CHANGEABLE)))
def test_a_change_leaves_all_else_alone(names):
    before = group()
    after, changed = model.change(before, {**WANTED, **dict.fromkeys(names, "new")}, LATER)
    assert set(changed) == names
    for name in set(model.FIELDS) - names - {"version", "updated_at"}:
        assert getattr(after, name) == getattr(before, name)


def test_the_public_reads_last_of_a_group_what_it_knew_and_that_it_is_not_public_any_more():
    before = group()
    after, _ = model.change(before, {**WANTED, "visibility": "private", "description": "a secret"}, LATER)
    farewell = model.farewell(before, after)
    assert farewell is not None
    assert (farewell.visibility, farewell.description, farewell.version) == ("private", "", 2)


@pytest.mark.parametrize(("was", "is_now"), [("public", "public"), ("private", "public"), ("private", "unlisted")])
def test_other_changes_need_no_farewell(was, is_now):
    before = group(visibility=was)
    after, _ = model.change(before, {**WANTED, "visibility": is_now}, LATER)
    assert model.farewell(before, after) is None


@pytest.mark.parametrize(
    ("visibility", "listed", "audience"),
    [("public", True, "public"), ("unlisted", False, "group"), ("private", False, "group")],
)
def test_searches_and_the_public_know_of_public_groups_alone(visibility, listed, audience):
    assert (group(visibility=visibility).listed, group(visibility=visibility).audience) == (listed, audience)


def test_searches_do_not_find_archived_groups():
    assert model.archive(group(), NOW).listed is False


@pytest.mark.parametrize("visibility", ["public", "unlisted"])
@pytest.mark.parametrize("role", [None, "member"])
def test_who_knows_where_it_is_may_see_a_group_that_is_not_private(visibility, role):
    seen = seen_as(role, visibility=visibility)
    assert model.check_visible(seen) is seen


@pytest.mark.parametrize("role", model.ROLES)
def test_members_see_a_private_group(role):
    seen = seen_as(role, visibility="private")
    assert model.check_visible(seen) is seen


@pytest.mark.parametrize("status", ["pending", "removed", "banned"])
def test_nobody_else_sees_a_private_group(status):
    for seen in (seen_as("member", status, visibility="private"), seen_as(None, visibility="private"), None):
        with pytest.raises(NotFound) as refusal:
            model.check_visible(seen)
        assert refusal.value.detail == "There is no such group."


def test_roles_decide_who_may_do_what():
    model.check_role(seen_as("moderator"), "organizer", "moderator")
    for seen in (seen_as("member"), seen_as("organizer", "pending"), seen_as(None)):
        with pytest.raises(NotAllowed):
            model.check_role(seen, "organizer", "moderator")
