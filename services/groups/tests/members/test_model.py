"""The rules about members."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import NotAllowed, NotFound
from groups.groups.model import ROLES, AlreadyArchived, Group, Viewer, archive
from groups.members import model
from groups.people.model import register

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ANA, BEN = (register({"handle": name, "display_name": name.title()}, NOW) for name in ("ana", "ben"))


def group(policy="open", viewer=None, organizers=("ana",)):
    return Group(
        id="grp_1",
        slug="kittens",
        name="Kittens",
        summary="",
        description="",
        interests=["kittens"],
        scope="virtual",
        place=None,
        join_policy=policy,
        visibility="public",
        rules="",
        ask_after={"days": 0, "events": 0},
        status="active",
        member_count=3,
        organizers=list(organizers),
        created_at=NOW,
        updated_at=NOW,
        version=5,
        viewer=viewer,
    )


def membership(person=BEN, role="member", status="active", at=NOW, **more):
    return model.Membership("grp_1", person.id, role, status, at, **more)


def test_one_is_in_an_open_group_at_once():
    joined = model.join(group(), BEN.id, "hello", NOW)
    assert (joined.status, joined.role, joined.answer) == ("active", "member", None)


def test_one_waits_where_approval_is_needed():
    asked = model.join(group("approval"), BEN.id, "hello", NOW)
    assert (asked.status, asked.answer) == ("pending", "hello")


@pytest.mark.parametrize(
    ("seen", "refusal"),
    [
        (group("invite"), model.InvitationNeeded),
        (group(viewer=Viewer("member", "active")), model.AlreadyMember),
        (group("approval", viewer=Viewer("member", "pending")), model.AlreadyPending),
        (group(viewer=Viewer("member", "banned")), model.Banned),
        (archive(group(viewer=Viewer("member", "banned")), NOW), model.Banned),
        (archive(group(), NOW), AlreadyArchived),
    ],
)
def test_some_do_not_get_in(seen, refusal):
    with pytest.raises(refusal):
        model.join(seen, BEN.id, None, NOW)


def test_who_was_removed_may_join_again():
    assert model.join(group(viewer=Viewer("member", "removed")), BEN.id, None, NOW).status == "active"


def test_who_is_approved_is_a_member_from_then_on():
    approved = model.approve(membership(status="pending", answer="hello"), LATER)
    assert (approved.status, approved.joined_at, approved.answer) == ("active", LATER, None)


@pytest.mark.parametrize("status", ["active", "removed", "banned"])
def test_only_who_waits_is_approved(status):
    with pytest.raises(NotFound):
        model.approve(membership(status=status), LATER)


@pytest.mark.parametrize("role", ["moderator", "member"])
def test_the_last_organizer_does_not_step_down(role):
    with pytest.raises(model.LastOrganizer):
        model.change_role(group(), ANA, membership(ANA, "organizer"), role)
    with pytest.raises(model.LastOrganizer):
        model.check_not_last_organizer(group(), ANA)


def test_an_organizer_beside_others_steps_down():
    after = model.change_role(group(organizers=["ana", "ben"]), ANA, membership(ANA, "organizer"), "member")
    assert after.role == "member"


@pytest.mark.parametrize("status", ["pending", "removed", "banned"])
def test_only_members_have_roles_to_change(status):
    with pytest.raises(NotFound):
        model.change_role(group(), BEN, membership(status=status), "moderator")


@pytest.mark.parametrize(
    ("mine", "theirs", "may"),
    [
        ("organizer", "organizer", True),
        ("organizer", "moderator", True),
        ("organizer", "member", True),
        ("moderator", "organizer", False),
        ("moderator", "moderator", False),
        ("moderator", "member", True),
        ("member", "member", False),
        (None, "member", False),
    ],
)
def test_who_may_remove_whom(mine, theirs, may):
    seen = group(viewer=mine and Viewer(mine, "active"))
    if may:
        model.check_may_remove(seen, membership(role=theirs))
    else:
        with pytest.raises(NotAllowed):
            model.check_may_remove(seen, membership(role=theirs))


@pytest.mark.parametrize(("ban", "status"), [(True, "banned"), (False, "removed")])
def test_who_was_removed_is_nothing_in_the_group_any_more(ban, status):
    seen, before = group(viewer=Viewer("organizer", "active")), membership(role="organizer")
    if ban:
        ended = model.ban(seen, BEN.id, before, "spam", LATER)
    else:
        ended = model.remove(seen, before, "spam", LATER)
    assert (ended.status, ended.role, ended.ended) == (status, "member", {"at": LATER, "reason": "spam"})


STATES = st.one_of(
    st.none(),
    st.builds(
        membership, st.just(BEN), st.sampled_from(ROLES), st.sampled_from(["active", "pending", "removed", "banned"])
    ),
)


@given(STATES, STATES)
def test_the_group_counts_members_and_names_organizers_as_memberships_change(before, after):
    def organizes(one):
        return one is not None and one.status == "active" and one.role == "organizer"

    def is_in(one):
        return one is not None and one.status == "active"

    was = group(organizers=["ana", "ben"] if organizes(before) else ["ana"])
    now = model.counting(was, BEN, before, after)
    assert now.version == was.version + 1
    assert now.member_count == was.member_count + is_in(after) - is_in(before)
    assert now.organizers == (["ana", "ben"] if organizes(after) else ["ana"])


def test_a_new_organizer_does_not_change_the_order_of_the_others():
    now = model.counting(
        group(organizers=["ana", "ben"]), ANA, membership(ANA, "organizer"), membership(ANA, "organizer")
    )
    assert now.organizers == ["ana", "ben"]


def test_a_group_passes_to_the_longest_serving_moderator():
    moderators = [membership(role="moderator", at=at) for at in (LATER, NOW)]
    members = [membership(at=NOW - timedelta(days=1))]
    assert model.successor([*members, *moderators]) == moderators[1]


def test_without_moderators_it_passes_to_the_longest_serving_member():
    members = [membership(at=at) for at in (LATER, NOW)]
    waiting = membership(status="pending", at=NOW - timedelta(days=1))
    assert model.successor([waiting, *members]) == members[1]
    assert model.successor([waiting]) is None


def test_the_pair_of_group_and_person_is_the_identity():
    assert membership().id == replace(membership(), role="organizer").id == f"grp_1:{BEN.id}"
