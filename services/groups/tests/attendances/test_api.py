"""Attendance, as the events service tells it."""

from joserfc.jwk import ECKey


def test_attendance_counts_once_however_late_and_often_it_is_told(register, found, attend, data):
    group, ben = found(register("ana")), register("ben")
    event = f"evt_{group.id}"
    attend(group, event, ben, sequence=7, times=3)
    data.inbox.delete_many({"_id.consumer": "groups.note_attended"})
    attend(group, event, ben, sequence=3)
    [kept] = data.attendances.find({"person": ben.id})
    assert (kept["group"], kept["event"]["id"], kept["sequence"]) == (group.id, event, 7)


def test_attendance_that_is_lost_is_rebuilt_from_the_log_without_those_who_left(
    api, register, found, attend, data, topology, shared_database, run_command
):
    group, ben, eve = found(register("ana")), register("ben"), register("eve")
    for n in range(3):
        attend(group, f"evt_{n}{group.id}", ben, eve)
    before = list(data.attendances.find({"person": ben.id}, sort=[("_id", 1)]))
    assert len(before) == 3
    assert api.delete("/v1/me", as_=eve.caller).status == 204
    data.attendances.delete_many({})
    key = ECKey.generate_key("P-256").as_pem(private=True).decode()
    env = {"CG_AMQP_URI": topology.uri_for("groups"), "CG_MONGO_URI": shared_database, "CG_SIGNING_KEY": key}
    done = run_command("chassis", "rebuild", "groups.service:Groups", "attendances", **env)
    assert done.returncode == 0, done.stderr
    after = list(data.attendances.find({}, sort=[("_id", 1)]))
    assert [one for one in after if one["person"] == ben.id] == before
    assert eve.id not in str(after)
