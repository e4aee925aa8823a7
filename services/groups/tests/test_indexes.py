"""Every query of every repository takes what it wants from an index."""

import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import eventlet
import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from chassis.store import OpenStore, Projection
from groups.asks.model import Ask, Offer
from groups.groups.model import found, next_version
from groups.interests.model import Change
from groups.invitations.model import Invitation
from groups.members.model import Membership
from groups.moderation.model import entry, report
from groups.people.model import register
from groups.promotions.model import promote
from groups.search.model import Search, courses
from groups.service import Groups
from groups.sessions.model import begin, refresh_token_of
from groups.tokens.model import make
from groups.watches.model import aspect_of, home_of, watch

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
READING = ("find", "aggregate", "findAndModify", "update", "delete")
SORTED_IN_MEMORY = {
    "shared_by": "what two people share is not known before both are looked at",
    "of": "how many interests are shared has to be computed",
    "find ranked": "how many interests are shared has to be computed",
    "find nearest": "what stands within one metre",
    "find by size": "what shares several interests, in another order than best",
    "most_wanted_near": "how many people watch near there has to be counted",
    "groups_of_others": "how many of some people are in each group has to be counted",
}


class Log(CommandListener):
    """What a client asked the database for."""

    def __init__(self):
        self.commands = []

    def started(self, event):
        self.commands.append(dict(event.command))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


@pytest.fixture(scope="module")
def log():
    return Log()


@pytest.fixture(scope="module")
def store(shared_database, log):
    """The service's store with some people and groups in it."""
    with MongoClient(shared_database, tz_aware=True, event_listeners=[log]) as client:
        opened = OpenStore(client, "groups", Groups.store.repositories)
        opened.make_indexes()
        fill(opened)
        yield opened


def fill(store):
    for n in range(200):
        person = register({"handle": f"person_{n}", "display_name": "P", "interests": ["kittens"]}, NOW)
        store.people.add(person, "hash")
        place = {"name": "W", "country": "US", "location": {"lat": 38 + n / 300, "lon": -77.0}}
        fields = {"name": f"Group {n}", "summary": "", "description": "", "rules": "", "join_policy": "open"}
        fields |= {
            "interests": ["kittens", "bacon", f"i{n % 7}"],
            "scope": ["local", "regional", "national", "virtual"][n % 4],
        }
        fields |= {"place": place, "visibility": "public", "ask_after": {"days": 0, "events": 0}}
        group = replace(found(fields, f"group-{n}", person.handle, NOW), member_count=n, viewer=None)
        store.groups.add(group)
        store.members.save(Membership(group.id, person.id, "organizer", "active", NOW))
        made = watch(person, {"interests": ["bacon", f"kittens{n}"], "near": {"lat": 38 + n / 300, "lon": -77.0}}, NOW)
        store.watches.add(made)
        store.demand.add(made.interests)
        store.matches.add([made.id], group.id)
        store.matched_groups.save(group.id, 1, aspect_of(group))
        store.service_changes.note(group.id, [], ["kittens"], NOW)
        store.interest_changes.note("people", [], [f"i{n}"])
        store.interests.add_up([Change("", "people", [f"i{n}"])])


def searches():
    """Searches of every kind, each with its courses."""
    near = (38.5, -77.0)
    for interests in ((), ("kittens",), ("kittens", "bacon"), ("kittens", "bacon", "i1")):
        for match in ("all", "any"):
            for sort in ("best", "newest", "largest", "nearest"):
                for point in (None, near):
                    if sort == "nearest" and point is None:
                        continue
                    search = Search(interests=interests, match=match, near=point, sort=sort, home="US")
                    for one in (search, replace(search, bounded=False), replace(search, scopes=("local",))):
                        yield from ((one, course) for course in courses(one))
    for narrow in ({"country": "US"}, {"words": ("group",)}, {"scopes": ("national",)}):
        for sort in ("best", "newest", "largest"):
            search = Search(sort=sort, **narrow)
            yield from ((search, course) for course in courses(search))


def name_of(search, course):
    several = len(search.interests) > 1 or (search.near and search.bounded)
    way = (
        "by size"
        if course.way in ("sorted", "elsewhere") and (several or search.words or search.country)
        else course.way
    )
    return f"find {way}"


def calls(store):
    """Every method of every repository, called: (name, function)."""
    person = store.people.by_handle("person_7")
    group = store.groups.seen_by("group-7", None)
    membership = store.members.find(group.id, person.id)
    session = begin(person.id, NOW, timedelta(days=1))
    token = refresh_token_of(session, "secret")
    api_token = make(person.id, session.id, {"name": "bot", "scopes": ["read"]}, NOW)
    someone = register({"handle": "someone", "display_name": "S"}, NOW)
    another = replace(group, id="grp_another", slug="another")
    change = Change("chg_1", "groups", ["kittens"], ["bacon"])
    yield "people.add", lambda: store.people.add(someone, "hash")
    yield "people.save", lambda: store.people.save(person)
    yield "people.get", lambda: store.people.get(person.id)
    yield "people.hold", lambda: store.people.hold(person.id)
    yield "people.hold_all", lambda: store.people.hold_all([person.id])
    yield "people.by_handle", lambda: store.people.by_handle(person.handle)
    yield "people.with_interests", lambda: store.people.with_interests(["kittens", "i1"], 5)
    yield "people.references", lambda: store.people.references([person.id])
    yield "people.with_password", lambda: store.people.with_password(person.handle)
    yield "people.still_has_password", lambda: store.people.still_has_password(person.id, "hash")
    yield "people.set_password", lambda: store.people.set_password(person.id, "hash")
    yield "people.erase", lambda: store.people.erase(someone.id)
    yield "sessions.save", lambda: store.sessions.save(session)
    yield "sessions.find", lambda: store.sessions.find(session.id)
    yield "sessions.of", lambda: store.sessions.of(person.id)
    yield "sessions.end_all", lambda: store.sessions.end_all(person.id, but=session.id)
    yield "sessions.end", lambda: store.sessions.end(session.id)
    yield "refresh_tokens.add", lambda: store.refresh_tokens.add(token)
    yield "refresh_tokens.find", lambda: store.refresh_tokens.find("secret")
    yield "refresh_tokens.spend", lambda: store.refresh_tokens.spend(token)
    yield "attempts.made", lambda: store.attempts.made("handle", "ana", NOW)
    yield "attempts.count", lambda: store.attempts.count("handle", "ana", NOW)
    yield "attempts.forget", lambda: store.attempts.forget("handle", "ana")
    yield "tokens.add", lambda: store.tokens.add(api_token, "cg_secret")
    yield "tokens.find", lambda: store.tokens.find("cg_secret", NOW)
    yield "tokens.of", lambda: store.tokens.of(person.id, "tok_", 20)
    yield "tokens.remove", lambda: store.tokens.remove(api_token.id, person.id)
    yield "tokens.remove_all", lambda: store.tokens.remove_all(person.id)
    yield "interest_changes.note", lambda: store.interest_changes.note("people", [], ["kittens"])
    yield "interest_changes.some", store.interest_changes.some
    yield "interest_changes.remove", lambda: store.interest_changes.remove([change])
    yield "interests.add_up", lambda: store.interests.add_up([change])
    yield "interests.most_used", lambda: store.interests.most_used("", (3, "i1"), 20)
    yield "interests.most_used", lambda: store.interests.most_used("i1", None, 20)
    yield "groups.add", lambda: store.groups.add(another)
    yield "groups.save", lambda: store.groups.save(next_version(group))
    yield "groups.save_all", lambda: store.groups.save_all([next_version(group)])
    yield "groups.hold", lambda: store.groups.hold(group)
    yield "groups.has_slug", lambda: store.groups.has_slug("group-7")
    for reference in (group.id, group.slug):
        for caller in (None, person.id):
            yield "groups.seen_by", lambda r=reference, c=caller: store.groups.seen_by(r, c)
            yield "groups.seen_by", lambda r=reference, c=caller: together(store, r, c)
    yield "groups.with_interests", lambda: store.groups.with_interests(["kittens", "i1"], 5)
    yield "groups.several", lambda: store.groups.several([group.id])
    yield "members.save", lambda: store.members.save(membership)
    yield "members.find", lambda: store.members.find(group.id, person.id)
    yield "members.save_all", lambda: store.members.save_all([membership])
    yield "members.of_people", lambda: store.members.of_people(group.id, [person.id])
    yield "members.viewers", lambda: store.members.viewers([group.id], person.id)
    yield "members.of_group", lambda: store.members.of_group(group.id, "active", None, (0, NOW, "psn_"), 20)
    yield "members.of_group", lambda: store.members.of_group(group.id, "active", "member", None, 20)
    yield "members.of_person", lambda: store.members.of_person(person.id, (NOW, "grp_z"), 20)
    yield "members.all_of", lambda: store.members.all_of(person.id)
    yield "members.remove_all", lambda: store.members.remove_all("psn_0")
    yield "members.remove", lambda: store.members.remove(membership)
    ask = Ask("ask_1", group.id, person.id, "Title", "", "other", NOW, NOW, thanked=[person.id])
    came = {"id": "evt_1", "title": "Brunch", "starts_at": NOW, "time_zone": "UTC"}
    invitation = Invitation("inv_1", group.id, "hash", 0, 5, NOW, NOW + timedelta(days=1))
    yield "invitations.add", lambda: store.invitations.add(invitation)
    yield "invitations.into", lambda: store.invitations.into(group.id, ["hash"])
    yield "invitations.count_uses", lambda: store.invitations.count_uses({"inv_1": 2})
    yield "invitations.of_group", lambda: store.invitations.of_group(group.id, NOW, ["inv_9"], 20)
    yield "invitations.remove", lambda: store.invitations.remove("inv_1", group.id)
    reported = report(group.id, "person", person.id, person.id, "spam", NOW)
    yield "reports.add", lambda: store.reports.add(reported)
    yield "reports.save", lambda: store.reports.save(reported)
    yield "reports.hold", lambda: store.reports.hold(reported)
    yield "reports.find", lambda: store.reports.find(reported.id)
    yield "reports.of_group", lambda: store.reports.of_group(group.id, ["rep_9"], 20)
    yield "reports.all_of", lambda: store.reports.all_of(person.id)
    yield "reports.all_about", lambda: store.reports.all_about(person.id)
    yield "reports.forget", lambda: store.reports.forget(person.id)
    yield "audit.add", lambda: store.audit.add(entry(group.id, person.id, "group.founded", NOW))
    yield "audit.of_group", lambda: store.audit.of_group(group.id, ["aud_9"], 20)
    yield "audit.all_of", lambda: store.audit.all_of(person.id)
    yield "audit.forget", lambda: store.audit.forget(person.id)
    yield "offers.find", lambda: store.offers.find("ofr_1")
    yield "asks.add", lambda: store.asks.add(ask)
    yield "asks.save", lambda: store.asks.save(ask)
    yield "asks.find", lambda: store.asks.find(ask.id)
    yield "asks.hold", lambda: store.asks.hold(ask)
    yield "asks.of_group", lambda: store.asks.of_group(group.id, ["ask_9"], 20)
    yield "asks.all_of", lambda: store.asks.all_of(person.id)
    yield "asks.thanking", lambda: store.asks.thanking(person.id)
    yield "asks.forget", lambda: store.asks.forget(person.id)
    yield "offers.add", lambda: store.offers.add(Offer("ofr_1", ask.id, group.id, person.id, "", NOW))
    yield "offers.of_ask", lambda: store.offers.of_ask(ask.id, ["ofr_"], 20)
    yield "offers.made_by", lambda: store.offers.made_by(ask.id, [person.id])
    yield "offers.all_of", lambda: store.offers.all_of(person.id)
    yield "offers.forget", lambda: store.offers.forget(person.id)
    yield "attendances.note", lambda: store.attendances.note(group.id, person.id, came, 1)
    yield "attendances.count", lambda: store.attendances.count(group.id, person.id, 3)
    yield "attendances.all_of", lambda: store.attendances.all_of(person.id)
    yield "attendances.forget", lambda: store.attendances.forget(person.id)
    promotion = promote(group, person.id, "Come!", NOW)
    yield "promotions.add", lambda: store.promotions.add(promotion)
    yield "promotions.save", lambda: store.promotions.save(promotion)
    yield "promotions.find", lambda: store.promotions.find(promotion.id)
    yield "promotions.last_of", lambda: store.promotions.last_of(group.id)
    yield "promotions.all_of", lambda: store.promotions.all_of(person.id)
    yield "promotions.forget", lambda: store.promotions.forget(person.id)
    yield "promotion_chunks.add", lambda: store.promotion_chunks.add(promotion, 0, [person.id])
    yield "promotion_chunks.take", lambda: store.promotion_chunks.take(promotion)
    yield "promotion_chunks.drop", lambda: store.promotion_chunks.drop(promotion)
    nowhere = {**group.place, "location": None}
    for scope in ("local", "regional", "national", "virtual"):
        for place in (group.place, nowhere):
            promoted = replace(group, scope=scope, place=place)
            yield "audiences.of", lambda promoted=promoted: list(store.audiences.of(promoted))
    yield "audiences.still", lambda: store.audiences.still([person.id])
    yield "audiences.claim", lambda: store.audiences.claim([person.id], NOW)
    yield "audiences.promoted_at", lambda: store.audiences.promoted_at(person.id)
    yield "members.known", lambda: store.members.known(group.id, [person.id])
    yield "members.shared_by", lambda: store.members.shared_by(person.id, "psn_1", 50)
    yield "attendances.shared_by", lambda: store.attendances.shared_by(person.id, "psn_1")
    yield "interests.used", lambda: store.interests.used(["kittens"])
    yield "people.ids_of", lambda: store.people.ids_of([person.handle])
    yield "listed_groups.country_near", lambda: store.listed_groups.country_near((38.9, -77.0))
    yield from calls_about_watches(store, person, group)
    for search, course in searches():
        first = store.listed_groups.find(search, course, None, 3)
        for place in (None, *(place for _, place in first[-1:])):
            run = SimpleNamespace(search=search, course=course, place=place)
            name = "listed_groups." + name_of(search, course)
            yield name, lambda run=run: store.listed_groups.find(run.search, run.course, run.place, 3)


def calls_about_watches(store, person, group):
    made = watch(person, {"interests": ["kittens", "bacon"]}, NOW)
    wanted, sets = ["bacon", "kittens7"], ["bacon\nkittens7", "bacon\nkittens8"]
    place = (sets[0], person.id, "wch_1")
    yield "watches.add", lambda: store.watches.add(made)
    yield "watches.of", lambda: store.watches.of(person.id, "wch_z", 20)
    yield "watches.count", lambda: store.watches.count(person.id)
    yield "watches.watches_for", lambda: store.watches.watches_for(sets[0], person.id)
    yield "watches.people_for", lambda: store.watches.people_for(sets[0], "psn_", 20)
    yield "watches.of_people_for", lambda: store.watches.of_people_for(sets[0], [person.id])
    yield "watches.save_interests", lambda: store.watches.save_interests([made])
    yield "watches.of_sets", lambda: store.watches.of_sets(sets, None, 20)
    yield "watches.of_sets", lambda: store.watches.of_sets(sets, place, 20)
    yield "watches.hold", lambda: store.watches.hold([made.id])
    yield "watches.move", lambda: store.watches.move(person.id, home_of(person.place))
    yield "watches.take", lambda: store.watches.take(made.id, person.id)
    yield "watches.remove_all", lambda: store.watches.remove_all(person.id)
    yield "matched_groups.find", lambda: store.matched_groups.find(group.id)
    yield "matched_groups.save", lambda: store.matched_groups.save(group.id, 2, None)
    yield "matches.told", lambda: store.matches.told([made.id], group.id)
    yield "matches.add", lambda: store.matches.add([made.id], group.id)
    yield "matches.groups_of", lambda: store.matches.groups_of([made.id])
    yield "matches.remove", lambda: store.matches.remove([made.id])
    yield "demand.add", lambda: store.demand.add(wanted)
    yield "demand.with_interests", lambda: store.demand.with_interests(["kittens", "bacon"], 5)
    yield "demand.inherit", lambda: store.demand.inherit(["tea", "toast"], 3)
    yield "demand.remove", lambda: store.demand.remove("tea\ntoast")
    yield "demand.hold", lambda: store.demand.hold(wanted)
    yield "demand.note_told", lambda: store.demand.note_told(store.demand.hold(wanted), 3)
    yield "demand.watchers", lambda: store.demand.watchers(sets)
    yield "demand.sets_within", lambda: store.demand.sets_within([*wanted, "tea"])
    yield "demand.serve", lambda: store.demand.serve(group.id, [*wanted, "tea"])
    yield "demand.served_by", lambda: store.demand.served_by(group.id)
    yield "demand.pass_on", lambda: store.demand.pass_on(sets[0], None)
    for interests in (["kittens"], ["kittens", "bacon"], ["i1", "kittens", "bacon"]):
        yield "demand.group_for", lambda interests=interests: store.demand.group_for(interests)
    for interests in ([], ["bacon"], ["bacon", "kittens9"]):
        for after in (None, (1, sets[0])):
            way = (interests, after, 20)
            yield "demand.most_wanted", lambda way=way: store.demand.most_wanted(*way)
            yield "demand.most_wanted_near", lambda way=way: store.demand.most_wanted_near((38.1, -77.0), 20, *way)
    yield "demand.leave", lambda: store.demand.leave(sets)
    yield "service_changes.due", lambda: store.service_changes.due(NOW)
    yield "service_changes.note", lambda: store.service_changes.note(group.id, [], ["kittens"], NOW)
    yield "service_changes.remove", lambda: store.service_changes.remove(["chg_1"])
    yield "companions.groups_of_others", lambda: store.companions.groups_of_others([group.id], "psn_1", 20)


def together(store, *sight):
    pool = eventlet.GreenPool(3)
    return list(pool.imap(lambda _: store.groups.seen_by(*sight), range(3)))


def test_every_query_of_every_repository_uses_an_index(store, log):
    called = set()
    for name, call in list(calls(store)):
        log.commands.clear()
        call()
        repository, _, method = name.partition(".")
        called.add((repository, method.split()[0]))
        for command in list(log.commands):
            for plan in plans(store.database, command):
                stages = set(stages_of(plan))
                assert "COLLSCAN" not in stages, (name, command)
                assert "SORT" not in stages or method in SORTED_IN_MEMORY, (name, command)
    assert called == {
        (name, method)
        for name, repository in Groups.store.repositories.items()
        for method, _ in inspect.getmembers(repository, inspect.isfunction)
        if not method.startswith("_") and not hasattr(Projection, method)
    }


def plans(database, command):
    """How the database carries a command out: the winning plans of its queries."""
    kind = next(iter(command))
    if kind not in READING:
        return
    several = {"update": "updates", "delete": "deletes"}.get(kind)
    singles = [{several: [one]} for one in command[several]] if several else [{}]
    for single in singles:
        keep = {
            k: v for k, v in command.items() if k not in ("lsid", "txnNumber", "$db", "$clusterTime", "writeConcern")
        }
        keep = {k: v for k, v in keep.items() if not k.startswith("$") and k != "readConcern"}
        yield from winning(database.command("explain", {**keep, **single}, verbosity="queryPlanner"))


def winning(explained):
    if isinstance(explained, dict):
        if "winningPlan" in explained:
            yield explained["winningPlan"]
        for value in explained.values():
            yield from winning(value)
    elif isinstance(explained, list):
        for value in explained:
            yield from winning(value)


def stages_of(plan):
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"]
        for name, value in plan.items():
            if name != "rejectedPlans":
                yield from stages_of(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from stages_of(value)


def test_a_query_without_an_index_would_be_seen(store, log):
    log.commands.clear()
    list(store.people.documents.find({"about": "x"}))
    stages = [set(stages_of(plan)) for command in log.commands for plan in plans(store.database, command)]
    assert "COLLSCAN" in stages[0]
