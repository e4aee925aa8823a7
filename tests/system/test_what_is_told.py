"""All that can happen on the platform, for a public and a private group: who may hear of it, and what nobody is told."""

from datetime import UTC, datetime, timedelta

import pytest

from people import done

CATALOGUE = {
    *("groups.person.registered", "groups.person.updated", "groups.person.erased"),
    *("groups.group.founded", "groups.group.updated", "groups.group.archived"),
    *("groups.member.joined", "groups.member.left", "groups.member.removed", "groups.member.banned"),
    *("groups.member.role_changed", "groups.join.requested", "groups.join.declined"),
    *("groups.ask.opened", "groups.ask.resolved", "groups.offer.made"),
    *("events.event.scheduled", "events.event.changed", "events.event.cancelled", "events.event.due"),
    *("events.rsvp.changed", "events.rsvp.promoted", "events.attendance.recorded"),
    "notifications.notice.posted",
}
"""Every message that the life of one group brings about."""
OF_THE_PUBLIC = {"groups.watch.matched", "groups.demand.risen", "groups.promotion.sent"}
"""What only a public group does."""
ALWAYS_PERSON = {"groups.watch.matched", "groups.demand.risen", "groups.promotion.sent", "events.rsvp.promoted"}
NEVER_PUBLIC = {"events.rsvp.changed", "events.attendance.recorded", *ALWAYS_PERSON}
SECRETS = {
    "email": "ana.canary@example.org",
    "place": {
        "name": "Canary Wharf",
        "country": "GB",
        "location": {"lat": 51.505431, "lon": -0.023533},
    },
}
PASSWORD, NEW_PASSWORD = "a canary sings for Ana", "another canary sings"
JOIN_URL = "https://canary.example.org/the-room"


def kind(envelope):
    """The type without its prefix and version."""
    return envelope["type"].removeprefix("commonground.").removesuffix(".v1")


def starting(**later):
    """The times of an event that starts so much later than now."""
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(**later)
    return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat(), "time_zone": "UTC"}


class Life:
    """A group from before it is founded until it is archived, and whatever happens in it and to its people."""

    def __init__(self, person, visibility):
        self.ana = person("ana", **SECRETS, password=PASSWORD)
        self.ben, self.chris, self.dora, self.eve = (
            person(name, **SECRETS) for name in ("ben", "chris", "dora", "eve")
        )
        self.people = [self.ana, self.ben, self.chris, self.dora, self.eve]
        self.topic = f"canaries {self.ana.handle}"
        self.visibility = visibility
        self.told_once: list[str] = [JOIN_URL, PASSWORD, NEW_PASSWORD, SECRETS["email"], "51.505431", "-0.023533"]
        for one in self.people:
            self.told_once += [one.session["access_token"], one.session["refresh_token"]]
        token = done(self.ana.post("/v1/tokens", {"name": "bot", "scopes": ["read"], "expires_in_days": 1}), 201)
        calendar = done(self.ana.post("/v1/me/calendar"), 201)
        self.told_once += [next(one for one in token.values() if str(one).startswith("cg_")), *_texts(calendar)]
        self.watched()
        self.founded()
        self.gathered()
        self.met()
        self.helped()
        self.ended()

    def watched(self):
        """Three people look for what nobody has founded yet."""
        for one in (self.ben, self.chris, self.dora):
            done(one.post("/v1/watches", {"interests": [self.topic]}), 201)

    def founded(self):
        self.group = self.ana.founds(
            interests=[self.topic],
            visibility=self.visibility,
            join_policy="approval",
            name=f"Canaries {self.visibility}",
        )
        path = self.path = f"/v1/groups/{self.group['id']}"
        done(self.ana.patch(path, {"summary": "They sing"}), 200)
        self.invitation = done(self.ana.post(f"{path}/invitations", {"max_uses": 9, "expires_in_hours": 1}), 201)
        self.told_once.append(self.invitation["code"])
        if self.visibility == "public":
            done(self.eve.patch("/v1/me", {"interests": [self.topic], "allow_promotions": True}), 200)
            done(self.ana.post(f"{path}/promotions", {"text": "Come and sing"}), 202)

    def gathered(self):
        """Ben, Chris, Dora join by invitation; Eve asks and is declined (of what is private she cannot know to ask)."""
        for one in (self.ben, self.chris, self.dora):
            done(one.post(f"{self.path}/members", {"invitation": self.invitation["code"]}), 201)
        if self.visibility == "private":
            done(self.ana.patch(self.path, {"visibility": "unlisted"}), 200)
        done(self.eve.post(f"{self.path}/members", {"answer": "I sing"}), 202)
        assert self.ana.delete(f"{self.path}/members/{self.eve.handle}").status == 204
        if self.visibility == "private":
            done(self.ana.patch(self.path, {"visibility": "private"}), 200)
        done(self.ana.patch(f"{self.path}/members/{self.ben.handle}", {"role": "moderator"}), 200)

    def met(self):
        """One event is full, changed and cancelled; another one is near, and Ben is checked in."""
        full = self.full = self.ana.schedules(self.group, capacity=1, kind="virtual", join_url=JOIN_URL)
        self.ben.answers(full)
        self.chris.answers(full)
        self.ben.answers(full, "not_going")
        done(self.ana.patch(f"/v1/events/{full['id']}", {"title": "Choir, later"}), 200)
        done(self.ana.post(f"/v1/events/{full['id']}/cancellation", {"reason": "hoarse"}), 200)
        self.near = self.ana.schedules(self.group, join_url=JOIN_URL, kind="virtual", **starting(hours=1, seconds=2))
        soon = self.soon = self.ana.schedules(self.group, **starting(minutes=30))
        done(self.ana.post(f"/v1/events/{soon['id']}/check-ins", {"handle": self.ben.handle}), 201)

    def helped(self):
        ask = self.ask = done(self.ben.post(f"{self.path}/asks", {"title": "Who has seed?", "kind": "advice"}), 201)
        done(self.chris.post(f"/v1/asks/{ask['id']}/offers", {"body": "I have"}), 201)
        done(self.ben.patch(f"/v1/asks/{ask['id']}", {"status": "resolved", "thanked": [self.chris.handle]}), 200)

    def ended(self):
        """Chris leaves, Dora is removed, Ben banned; Ana changes her password, archives the group, and is erased."""
        assert self.chris.delete(f"{self.path}/members/me").status == 204
        assert self.ana.delete(f"{self.path}/members/{self.dora.handle}").status == 204
        assert self.ana.delete(f"{self.path}/members/{self.ben.handle}?ban=true&reason=loud").status == 204
        assert self.ana.put("/v1/me/password", {"current": PASSWORD, "new": NEW_PASSWORD}).status == 204
        done(self.ana.patch("/v1/me", {"about": "Sings", "place": SECRETS["place"]}), 200)


def _texts(content):
    return [value for value in content.values() if isinstance(value, str) and len(value) > 20]


@pytest.fixture(params=["public", "private"])
def life(request, person, subscribe):
    """A whole life, and all that was told from before it until its group was archived and its people erased."""
    everything, public = subscribe("#", trusted=True), subscribe("#")
    one = Life(person, request.param)
    everything.wait(
        lambda heard: kind(heard.envelope) == "events.event.due" and one.near["id"] in str(heard.data), 1, 20
    )
    assert one.ana.delete(one.path).status == 204
    everything.wait(
        lambda heard: kind(heard.envelope) == "groups.group.archived" and one.group["id"] in str(heard.data)
    )
    assert one.eve.delete("/v1/me").status == 204
    everything.wait(lambda heard: kind(heard.envelope) == "groups.person.erased" and one.eve.id in str(heard.data))
    public.wait(lambda heard: kind(heard.envelope) == "groups.person.erased" and one.eve.id in str(heard.data))
    # The notices of all that have followed when that of the last is there.
    everything.wait(lambda heard: heard.data.get("kind") == "group.archived" and one.group["id"] in str(heard.data))
    return one, [heard.envelope for heard in everything.heard], [heard.envelope for heard in public.heard]


def test_all_that_happens_is_told_to_whom_it_may_be_told_and_nothing_secret_to_anybody(life):
    one, told, public = life
    expected = CATALOGUE | (OF_THE_PUBLIC if one.visibility == "public" else set())
    assert expected - {kind(envelope) for envelope in told} == set()

    assert {envelope["audience"] for envelope in public} == {"public"}
    audiences = {name: {envelope["audience"] for envelope in told if kind(envelope) == name} for name in expected}
    assert [name for name in NEVER_PUBLIC & expected if "public" in audiences[name]] == []
    assert [name for name in ALWAYS_PERSON & expected if audiences[name] != {"person"}] == []

    theirs = {
        one.group["id"],
        one.group["slug"],
        one.group["name"],
        one.full["id"],
        one.near["id"],
        one.soon["id"],
        one.ask["id"],
    }
    heard_by_all = [envelope for envelope in public if any(word in str(envelope) for word in theirs)]
    if one.visibility == "public":
        assert {"groups.group.founded", "events.event.scheduled"} <= {kind(envelope) for envelope in heard_by_all}
    else:
        assert heard_by_all == []

    bodies = str(told)
    assert [secret for secret in one.told_once if secret in bodies] == []
    assert "canary.example.org" not in bodies and "example.org" not in bodies
