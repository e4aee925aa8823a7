"""What goes out about groups is what its schema says."""

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from chassis.schemas import Schema
from groups.groups.model import Viewer, found
from groups.groups.schemas import EXAMPLE, GroupView, NewGroup, PublicGroup
from groups.members.schemas import MyGroup
from groups.search.model import Match
from groups.search.schemas import FoundGroup

GROUP = {"name": "Kittens", "interests": ["kittens"], "scope": "virtual"}


def group(viewer=None):
    wanted = NewGroup().load({**GROUP, "place": {"name": "W", "country": "US", "location": {"lat": 1.5, "lon": 2.5}}})
    founded = found(wanted, "kittens", "ana", datetime(2026, 11, 23, 18, 0, 0, 123000, UTC))
    founded.viewer = viewer
    return founded


@pytest.mark.parametrize("viewer", [None, Viewer("organizer", "active")])
def test_the_short_way_to_dump_a_group_gives_what_the_long_way_gives(viewer):
    one = group(viewer)
    assert GroupView().dump(one) == Schema.dump(GroupView(), one)


def test_found_groups_and_my_groups_have_the_fields_that_their_schemas_say():
    one = group(Viewer("member", "active"))
    assert set(FoundGroup().dump((one, Match(["kittens"], [], 1.5)))) == set(FoundGroup().fields)
    assert set(MyGroup().dump(one)) == set(MyGroup().fields)


def test_the_example_in_the_messages_is_a_whole_group():
    assert set(EXAMPLE) == set(PublicGroup().fields)


@pytest.mark.parametrize("scope", ["local", "regional", "national"])
def test_a_group_needs_a_place_unless_it_is_virtual(scope):
    with pytest.raises(ValidationError) as refusal:
        NewGroup().load({**GROUP, "scope": scope})
    assert list(refusal.value.messages) == ["place"]
    assert NewGroup().load(GROUP)["place"] is None
