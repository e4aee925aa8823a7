"""The rules about people."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from groups.people import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
PLACE = {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9, "lon": -77.0}}


def ana(**given):
    return model.register({"handle": "ana", "display_name": "Ana", "password": "secret words", **given}, NOW)


def test_a_person_registers_with_an_id_of_their_own_at_version_1():
    one, other = ana(), ana()
    assert one.id != other.id
    assert (one.version, one.joined_at, one.updated_at) == (1, NOW, NOW)


def test_a_person_holds_no_password():
    assert not any("secret" in str(getattr(ana(), name)) for name in model.Person.__slots__)


def test_only_who_opts_in_appears_in_icebreakers():
    assert ana().icebreakers is False


def test_others_see_the_place_but_not_where_exactly():
    assert ana(place=PLACE).public_place == {"name": "Washington", "country": "US"}
    assert ana().public_place is None


def test_a_change_takes_a_version():
    before = ana()
    after = model.change(before, {**model.changeable(before), "about": "Hi"}, NOW + timedelta(hours=1))
    assert (after.about, after.version, after.updated_at) == ("Hi", 2, NOW + timedelta(hours=1))
    assert before.about == ""


def test_a_change_to_what_is_already_so_takes_none():
    before = ana(place=PLACE, interests=["kittens"])
    assert model.change(before, model.changeable(before), NOW + timedelta(hours=1)) is before


@given(st.sets(st.sampled_from(model.CHANGEABLE)))
def test_a_change_leaves_who_they_are_alone(names):
    before = ana()
    wanted = {**model.changeable(before), **dict.fromkeys(names, "new")}
    after = model.change(before, wanted, NOW)
    assert (after.id, after.handle, after.joined_at) == (before.id, before.handle, before.joined_at)
    assert after.version == before.version + bool(names)


def test_messages_about_who_does_not_want_to_be_discovered_are_for_them_alone():
    hidden = ana()
    hidden.discoverable = False
    assert model.audience(ana()) == "public"
    assert model.audience(hidden) == "person"


def test_the_public_hears_that_somebody_does_not_want_to_be_discovered_any_more():
    before = ana()
    after = model.change(before, {**model.changeable(before), "discoverable": False}, NOW)
    assert model.audience(after, before) == "public"
    assert model.audience(after, after) == "person"
