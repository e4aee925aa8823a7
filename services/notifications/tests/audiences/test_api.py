"""Who belongs where is built from messages alone: in any order, all at once, and again from the log."""

import random

import pytest

from chassis.ids import new_id


def standings(world, *groups):
    """What is kept of these groups, by person."""
    found = world.store.database["standings"].find({"group": {"$in": [group["id"] for group in groups]}})
    return {one["_id"]: one for one in found}


def life(world, group, event):
    """What happens to a group's people, as messages that are held."""
    messages = [
        world.founded(group, held=True),
        world.joined(group, world.ana, "organizer", held=True),
        world.joined(group, world.ben, held=True),
        world.joined(group, world.chris, held=True),
        world.answered(group, event, world.ben, "waitlisted", held=True),
        world.role_changed(group, world.ben, "organizer", held=True),
        world.answered(group, event, world.ben, "maybe", was="waitlisted", held=True),
        world.answered(group, event, world.chris, "going", held=True),
        world.left(group, world.chris, held=True),
        world.answered(group, event, world.chris, "not_going", was="going", held=True),
        world.joined(group, world.chris, held=True),
        world.left(group, world.ana, "removed", held=True),
    ]
    world.tell("groups.group.updated.v1", group["id"], {"group": {**group, "name": "Bacon"}, "changed": ["name"]})
    return messages


@pytest.mark.parametrize("seed", range(5))
def test_messages_all_at_once_twice_and_in_any_order_make_the_same_audiences(world, seed):
    group = world.group()
    event = world.event(group)
    messages = life(world, group, event)
    mixed = messages * 2
    random.Random(seed).shuffle(mixed)
    world.publish(*mixed)
    world.settled()
    kept = {one["person"]: one for one in standings(world, group).values() if one["to"] == group["id"]}
    present = {who: one["entered"] > one["left"] for who, one in kept.items()}
    assert present == {world.ana.id: False, world.ben.id: True, world.chris.id: True}
    assert kept[world.ben.id]["role"] == "organizer"
    answers = {one["person"]: one for one in standings(world, group).values() if one["to"] == event["id"]}
    assert {who: one["entered"] > one["left"] for who, one in answers.items()} == {
        world.ben.id: True,
        world.chris.id: False,
    }
    assert world.store.groups.documents.find_one({"_id": group["id"]})["name"] == "Bacon"


@pytest.mark.parametrize("projection", ["standings", "groups"])
def test_a_projection_that_is_lost_is_rebuilt_from_the_log_and_no_notice_is_told_again(
    world, broker, projection, run_command
):
    group = world.group()
    world.publish(*life(world, group, world.event(group)))
    world.joined(group, world.eve)
    world.erased(world.eve)
    before = list(world.store.database[projection].find({}, sort=[("_id", 1)]))
    notices = world.store.database["notices"].count_documents({})
    assert before
    world.store.database[projection].delete_many({})
    world.store.database[projection].insert_one({"_id": new_id("grp"), "person": world.dora.id})

    env = {"CG_AMQP_URI": broker.uri_for("notifications"), "CG_MONGO_URI": world.uri}
    done = run_command("chassis", "rebuild", "notifications.service:Notifications", projection, **env)
    assert done.returncode == 0, done.stderr
    after = {one["_id"]: one for one in world.store.database[projection].find({})}
    assert {one["_id"]: after.get(one["_id"]) for one in before} == {one["_id"]: one for one in before}
    assert world.dora.id not in str(after)
    assert world.eve.id not in str(after)
    assert world.store.database["notices"].count_documents({}) == notices
