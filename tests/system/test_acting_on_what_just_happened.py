"""Nobody ever needs to sleep between two calls, though the second one's service learns of the first by message only."""

from people import an_event, done


def test_a_group_that_was_just_founded_can_schedule_its_first_event_and_be_answered(person):
    ana, ben = person("ana"), person("ben")
    for _ in range(15):
        group = ana.founds()
        event = ana.schedules(group)
        assert ana.answers(event)["status"] == "going"
        assert ben.answers(event)["status"] == "going"


def test_who_just_joined_a_private_group_can_read_and_answer_its_events(person):
    ana = person("ana")
    group = ana.founds(visibility="private", join_policy="approval")
    event = ana.schedules(group)
    for _ in range(3):
        ben = person("ben")
        assert ben.get(f"/v1/events/{event['id']}").status == 404
        # A private group cannot be joined by who does not know of it, so Ana lets him in while it is unlisted.
        done(ana.patch(f"/v1/groups/{group['id']}", {"visibility": "unlisted", "join_policy": "open"}), 200)
        ben.joins(group)
        done(ana.patch(f"/v1/groups/{group['id']}", {"visibility": "private", "join_policy": "approval"}), 200)
        assert done(ben.get(f"/v1/events/{event['id']}"), 200)["viewer"] is None
        assert ben.answers(event)["status"] == "going"


def test_who_just_became_a_moderator_can_schedule_an_event(person):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    ben.joins(group)
    refused = ben.post(f"/v1/groups/{group['id']}/events", an_event())
    assert (refused.status, refused.problem) == (403, "not-allowed")
    done(ana.patch(f"/v1/groups/{group['id']}/members/{ben.handle}", {"role": "moderator"}), 200)
    assert ben.schedules(group)["hosts"] == [ben.handle]


def test_a_member_who_just_joined_can_be_named_as_a_host(person):
    ana = person("ana")
    group = ana.founds()
    for _ in range(5):
        ben = person("ben")
        ben.joins(group)
        assert ana.schedules(group, hosts=[ben.handle])["hosts"] == [ben.handle]


def test_what_is_not_there_is_told_within_the_second_that_is_waited_for(person):
    ana = person("ana")
    nowhere = "evt_01JDCM0Y0G0000000000000000"
    assert ana.get(f"/v1/events/{nowhere}").problem == "not-found"
    assert ana.put(f"/v1/events/{nowhere}/rsvps/me", {"answer": "going"}).problem == "not-found"
