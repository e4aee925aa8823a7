"""Reports and audit logs, over the wire."""

import pytest


@pytest.fixture
def moderated(api, register, found, join):
    """A group with Ana, its organizer, Chris, its moderator, and Ben, a member: (group, ana, ben, chris)."""
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    answer = api.patch(f"/v1/groups/{group.id}/members/{chris.handle}", {"role": "moderator"}, as_=ana.caller)
    assert answer.status == 200
    return group, ana, ben, chris


@pytest.fixture
def report(api):
    """Try to report something: `report(ben, "ask", "ask_1")`."""

    def report(by, kind, identifier, reason="Rude.", **more):
        body = {"subject": {"type": kind, "id": identifier}, "reason": reason, **more}
        return api.post("/v1/reports", body, as_=by.caller)

    return report


@pytest.fixture
def audit(api):
    """What the audit log of a group says, the oldest first."""

    def audit(group, by):
        answer = api.get(f"/v1/groups/{group.id}/audit?limit=100", as_=by.caller)
        assert answer.status == 200, answer.body
        return answer.json()["items"][::-1]

    return audit


def reference(person):
    return {"id": person.id, "handle": person.handle, "display_name": person.caller.display_name}


def reports_of(api, group, by):
    return api.get(f"/v1/groups/{group.id}/reports", as_=by.caller).json()["items"]


def test_a_report_reaches_organizers_and_moderators(api, moderated, report):
    group, ana, ben, chris = moderated
    made = report(ben, "person", chris.handle, group=group.slug)
    assert made.status == 201
    assert set(made.json()) == {"id", "group", "subject", "reason", "status", "created_at"}
    assert made.json()["subject"] == {"type": "person", "id": chris.id}
    (seen,) = reports_of(api, group, ana)
    assert (seen["id"], seen["reporter"], seen["status"]) == (made.json()["id"], reference(ben), "open")
    assert (seen["reason"], seen["note"], seen["handled_by"]) == ("Rude.", None, None)


def test_who_is_reported_does_not_learn_by_whom(api, moderated, report):
    group, _, ben, chris = moderated
    report(ben, "person", chris.id, group=group.id)
    assert reports_of(api, group, chris)[0]["reporter"] is None


def test_a_group_an_ask_and_an_offer_say_where_they_are(api, moderated, report):
    group, ana, ben, chris = moderated
    wanted = {"title": "Who has a ladder?", "kind": "hands"}
    ask = api.post(f"/v1/groups/{group.id}/asks", wanted, as_=ben.caller).json()
    offer = api.post(f"/v1/asks/{ask['id']}/offers", {"body": "I have."}, as_=chris.caller).json()
    for kind, identifier in (("group", group.slug), ("ask", ask["id"]), ("offer", offer["id"])):
        assert report(ben, kind, identifier).status == 201
    assert report(ben, "event", "evt_1", group=group.id).status == 201
    listed = [(one["subject"]["type"], one["subject"]["id"]) for one in reports_of(api, group, ana)]
    assert listed[::-1] == [("group", group.id), ("ask", ask["id"]), ("offer", offer["id"]), ("event", "evt_1")]


def test_nobody_reports_what_they_may_not_see(api, register, found, join, report):
    ana, ben, eve = (register(name) for name in ("ana", "ben", "eve"))
    group = found(ana)
    join(group, ben)
    ask = api.post(f"/v1/groups/{group.id}/asks", {"title": "Help me", "kind": "other"}, as_=ben.caller).json()
    assert report(eve, "ask", ask["id"]).problem == "not-allowed"
    api.patch(f"/v1/groups/{group.id}", {"visibility": "private"}, as_=ana.caller)
    nothing = report(eve, "ask", "ask_0").json()
    for answer in (
        report(eve, "ask", ask["id"]),
        report(eve, "group", group.id),
        report(eve, "person", ben.handle, group=group.slug),
        report(eve, "event", "evt_1", group=group.id),
        report(eve, "person", "nobody_has_this", group=found(eve).id),
    ):
        assert answer.problem == "not-found"
        assert {**answer.json(), "instance": 0} == {**nothing, "instance": 0}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subject": {"type": "group"}, "reason": "x"},
        {"subject": {"type": "weather", "id": "x"}, "reason": "x"},
        {"subject": {"type": "person", "id": "ana"}, "reason": "x"},
        {"subject": {"type": "group", "id": "x"}, "reason": "x" * 1001},
        {"subject": {"type": "group", "id": "x"}, "reason": " "},
        {"subject": {"type": "group", "id": "x"}, "reason": "x", "group": "x"},
    ],
)
def test_a_wrong_report_is_refused(api, register, body):
    assert api.post("/v1/reports", body, as_=register("ben").caller).problem == "invalid"


def test_a_report_is_handled_once_for_all_to_see(api, moderated, report, audit):
    group, ana, ben, chris = moderated
    made = report(ben, "person", ana.id, group=group.id).json()
    path = f"/v1/reports/{made['id']}"
    handled = api.patch(path, {"status": "dismissed", "note": "All is well."}, as_=chris.caller)
    assert (handled.status, handled.json()["status"], handled.json()["note"]) == (200, "dismissed", "All is well.")
    assert handled.json()["handled_by"] == reference(chris)
    assert api.patch(path, {"status": "acted"}, as_=ana.caller, if_match='"1"').status == 412
    again = api.patch(path, {"status": "dismissed"}, as_=ana.caller)
    assert again.json() == {**handled.json(), "reporter": None}
    last = audit(group, ana)[-1]
    assert (last["action"], last["by"], last["person"]) == ("report.dismissed", reference(chris), reference(ana))
    assert (last["reason"], last["details"]) == ("All is well.", {"report": made["id"]})


def test_only_organizers_and_moderators_see_and_handle_reports(api, register, moderated, report):
    group, _, ben, _ = moderated
    made = report(ben, "group", group.id).json()
    for who in (ben, register("eve")):
        assert api.get(f"/v1/groups/{group.id}/reports", as_=who.caller).problem == "not-allowed"
        refused = api.patch(f"/v1/reports/{made['id']}", {"status": "acted"}, as_=who.caller)
        assert refused.problem == "not-found"
    for body in ({}, {"status": "open"}, {"status": None}, {"reason": "x"}):
        assert api.patch(f"/v1/reports/{made['id']}", body, as_=ben.caller).problem == "invalid"


def test_the_audit_log_says_who_did_what_to_whom_and_why(api, register, found, audit):
    ana, ben, chris, dora, eve = (register(name) for name in ("ana", "ben", "chris", "dora", "eve"))
    group = found(ana, join_policy="approval")
    path = f"/v1/groups/{group.id}"
    for person in (ben, chris, dora):
        api.post(f"{path}/members", as_=person.caller)
    api.patch(f"{path}/members/{ben.handle}", {"status": "active"}, as_=ana.caller)
    api.patch(f"{path}/members/{ben.handle}", {"role": "moderator"}, as_=ana.caller)
    api.delete(f"{path}/members/{chris.handle}?reason=unknown", as_=ben.caller)
    api.patch(f"{path}/members/{dora.handle}", {"status": "active"}, as_=ben.caller)
    api.delete(f"{path}/members/{dora.handle}?reason=rude", as_=ben.caller)
    api.delete(f"{path}/members/{eve.handle}?ban=true&reason=spam", as_=ana.caller)
    api.delete(f"{path}/members/{eve.handle}?ban=false", as_=ana.caller)
    made = api.post(f"{path}/invitations", {}, as_=ben.caller).json()["id"]
    api.delete(f"{path}/invitations/{made}", as_=ana.caller)
    api.patch(path, {"summary": "x", "rules": "y"}, as_=ana.caller)
    api.patch(path, {"summary": "x"}, as_=ana.caller)
    api.delete(path, as_=ana.caller)
    told = [
        (
            one["action"],
            one["by"]["handle"],
            one["person"] and one["person"]["handle"],
            one["reason"],
            one["details"],
        )
        for one in audit(group, ana)
    ]
    a, b = ana.handle, ben.handle
    assert told == [
        ("group.founded", a, None, None, {}),
        ("member.approved", a, b, None, {}),
        ("member.role_changed", a, b, None, {"role": "moderator"}),
        ("member.declined", b, chris.handle, "unknown", {}),
        ("member.approved", b, dora.handle, None, {}),
        ("member.removed", b, dora.handle, "rude", {}),
        ("member.banned", a, eve.handle, "spam", {}),
        ("member.unbanned", a, eve.handle, None, {}),
        ("invitation.made", b, None, None, {"invitation": made}),
        ("invitation.revoked", a, None, None, {"invitation": made}),
        ("group.changed", a, None, None, {"changed": ["summary", "rules"]}),
        ("group.archived", a, None, None, {}),
    ]


def test_what_was_refused_is_not_in_the_audit_log(api, moderated, audit):
    group, ana, ben, chris = moderated
    before = audit(group, ana)
    api.delete(f"/v1/groups/{group.id}/members/{ana.handle}", as_=chris.caller)
    api.patch(f"/v1/groups/{group.id}", {"summary": "x"}, as_=ben.caller)
    api.delete(f"/v1/groups/{group.id}/members/me", as_=ana.caller)
    assert audit(group, ana) == before


def test_the_audit_log_is_for_organizers(api, register, moderated):
    group, _, ben, chris = moderated
    path = f"/v1/groups/{group.id}/audit"
    for who in (ben, chris, register("eve")):
        assert api.get(path, as_=who.caller).problem == "not-allowed"
    assert api.get(path).problem == "authentication-required"


@pytest.mark.parametrize("kind", ["reports", "audit"])
def test_lists_go_page_by_page_newest_first(api, moderated, report, kind):
    group, ana, ben, _ = moderated
    for n in range(5):
        report(ben, "group", group.id, reason=f"Reason {n}")
        api.patch(f"/v1/groups/{group.id}", {"summary": f"x{n}"}, as_=ana.caller)
    path = f"/v1/groups/{group.id}/{kind}"
    whole = [one["id"] for one in api.get(path, as_=ana.caller).json()["items"]]
    listed, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{path}?limit=2{cursor}", as_=ana.caller).json()
        listed += [one["id"] for one in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert listed == whole == sorted(whole, reverse=True)


def test_who_erases_themselves_is_someone_who_left(api, moderated, report, audit, data):
    group, ana, ben, chris = moderated
    report(ben, "person", chris.id, group=group.id)
    about = report(ana, "person", ben.id, group=group.id).json()
    api.patch(f"/v1/reports/{about['id']}", {"status": "acted"}, as_=chris.caller)
    assert len(api.get("/v1/me/export", as_=ben.caller).json()["reports"]) == 1
    for person in (ben, chris):
        assert api.delete("/v1/me", as_=person.caller).status == 204
        for name in ("reports", "audit"):
            assert person.id not in str(list(data[name].find())), name
    second, first = reports_of(api, group, ana)
    assert (first["reporter"], first["subject"]) == (None, {"type": "person", "id": None})
    assert (second["handled_by"], second["subject"]["id"]) == (None, None)
    last = audit(group, ana)[-1]
    assert (last["action"], last["by"], last["person"]) == ("report.acted", None, None)


def test_what_came_about_as_the_last_organizer_left_is_in_the_audit_log(api, moderated, audit):
    group, ana, _, chris = moderated
    api.delete("/v1/me", as_=ana.caller)
    last = audit(group, chris)[-1]
    assert (last["action"], last["by"], last["person"]) == ("member.role_changed", None, reference(chris))
    assert last["details"] == {"role": "organizer"}
