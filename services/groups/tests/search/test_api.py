"""Searching groups, over the wire."""

import itertools
import random

import pytest

from chassis.schemas import Cursor

WASHINGTON, BALTIMORE, RICHMOND, BOSTON = (38.9, -77.03), (39.29, -76.61), (37.54, -77.44), (42.36, -71.06)
NEAR = "38.9,-77.03"
_numbers = itertools.count(1)


def at(point, country="US", name="Somewhere"):
    place = {"name": name, "country": country}
    return {**place, "location": {"lat": point[0], "lon": point[1]}} if point else place


@pytest.fixture
def topic():
    """An interest that no other test has."""
    return f"topic {next(_numbers)}"


@pytest.fixture
def search(api):
    """Search; gives the page."""

    def search(as_=None, **params):
        answer = api.get("/v1/groups", as_=as_ and as_.caller, params=params)
        assert answer.status == 200, answer.body
        return answer.json()

    return search


@pytest.fixture
def names(search):
    """The names of the groups that a search finds."""
    return lambda **params: [one["name"] for one in search(**params)["items"]]


def test_several_interests_mean_all_of_them(register, found, names, topic):
    ana = register()
    found(ana, name="both", interests=[topic, topic + " b"])
    found(ana, name="kittens alone", interests=[topic])
    found(ana, name="and more", interests=[topic + " c", topic, topic + " b"])
    assert names(interest=[topic, topic + " b"]) == ["and more", "both"]
    assert names(interest=[topic + " b", topic + " c", topic]) == ["and more"]
    assert names(interest=[topic, topic + " d"]) == []
    assert len(names(interest=topic)) == 3


def test_any_of_them_is_ranked_by_how_many_are_shared(register, found, search, topic):
    ana = register()
    a, b, c = (f"{topic} {letter}" for letter in "abc")
    found(ana, name="one", interests=[a])
    found(ana, name="three", interests=[c, b, a])
    found(ana, name="two", interests=[b, c])
    found(ana, name="none", interests=[topic])
    found(ana, name="one more", interests=[c, topic])
    page = search(interest=[a, b, c], match="any")
    assert [one["name"] for one in page["items"]] == ["three", "two", "one more", "one"]
    assert page["items"][1]["match"] == {"shared": [b, c], "missing": [a], "distance_km": None}


def test_interests_are_compared_in_their_normal_form(register, found, names, topic):
    found(register(), name="loud", interests=[f"#{topic.upper()}"])
    assert names(interest=f"  {topic.title()} ") == ["loud"]


def test_best_and_largest_have_larger_groups_first_and_newest_the_newest(register, found, join, names, topic):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    sizes = {"of two": [ben], "of three": [ben, chris], "of one": []}
    for name, people in sizes.items():
        join(found(ana, name=name, interests=[topic]), *people)
    assert names(interest=topic, sort="largest") == ["of three", "of two", "of one"]
    assert names(interest=topic, sort="newest") == ["of one", "of three", "of two"]
    assert names(interest=topic)[2] == "of one"


def test_near_finds_local_and_regional_groups_within_their_reach(register, found, search, names, topic):
    ana = register()
    for name, point in (
        ("Washington", WASHINGTON),
        ("Baltimore", BALTIMORE),
        ("Richmond", RICHMOND),
        ("Boston", BOSTON),
    ):
        for scope in ("local", "regional"):
            found(ana, name=f"{name} {scope}", interests=[topic], scope=scope, place=at(point))
    found(ana, name="online", interests=[topic], scope="virtual", place=at(WASHINGTON))
    found(ana, name="nowhere exactly", interests=[topic], scope="local", place=at(None))
    assert names(interest=topic, near=NEAR) == [
        "Washington regional",
        "Washington local",
        "Baltimore regional",
        "Richmond regional",
    ]
    assert sorted(names(interest=topic, near=NEAR, within_km=60)) == [
        "Baltimore local",
        "Baltimore regional",
        "Washington local",
        "Washington regional",
    ]
    assert names(interest=topic, near=NEAR, within_km=60, scope="local") == ["Washington local", "Baltimore local"]
    distances = [one["match"]["distance_km"] for one in search(interest=topic, near=NEAR, within_km=1000)["items"]]
    assert distances == sorted(distances)
    assert distances[-1] == pytest.approx(634, abs=1)


def test_near_finds_national_groups_by_country(register, found, names, topic):
    ana, hans = register("ana", place=at(WASHINGTON)), register("hans", place=at(None, "DE"))
    found(ana, name="American", interests=[topic], scope="national", place=at(BOSTON))
    found(ana, name="German", interests=[topic], scope="national", place=at((52.5, 13.4), "DE"))
    found(ana, name="near by", interests=[topic], scope="local", place=at(WASHINGTON))
    assert names(interest=topic, near=NEAR) == ["near by", "American"]
    assert names(interest=topic, near="52.5,13.4") == ["German"]
    assert names(interest=topic, near="0,0") == []
    assert names(interest=topic, near=NEAR, as_=ana) == ["near by", "American"]
    assert names(interest=topic, near=NEAR, as_=hans) == ["near by", "German"]
    assert names(interest=topic, near=NEAR, as_=hans, country="US") == ["near by", "American"]
    assert names(interest=topic, near=NEAR, scope="national", as_=ana) == ["American"]
    assert names(interest=topic, near=NEAR, sort="newest", as_=ana) == ["near by", "American"]


def test_nearest_has_the_nearest_first_whatever_is_shared(register, found, names, topic):
    ana = register()
    found(ana, name="far and both", interests=[topic, topic + " b"], scope="local", place=at(BALTIMORE))
    found(ana, name="near and one", interests=[topic], scope="local", place=at(WASHINGTON))
    query = {"interest": [topic, topic + " b"], "match": "any", "near": NEAR, "within_km": 100}
    assert names(**query, sort="nearest") == ["near and one", "far and both"]
    assert names(**query) == ["far and both", "near and one"]


def test_a_search_reaches_over_the_date_line_and_the_pole(register, found, names, topic):
    ana = register()
    found(ana, name="Taveuni east", interests=[topic], scope="local", place=at((-16.8, -179.95)))
    found(ana, name="Pole", interests=[topic], scope="local", place=at((90, 0)))
    assert names(interest=topic, near="-16.8,179.95", within_km=20) == ["Taveuni east"]
    assert names(interest=topic, near="89.99,-120", within_km=20) == ["Pole"]


def test_country_scope_and_words_narrow_a_search(register, found, names, topic):
    ana = register()
    found(ana, name="Chess Café", summary="We play in the park", interests=[topic], scope="local", place=at(BOSTON))
    found(ana, name="Schachklub", interests=[topic], scope="regional", place=at((52.5, 13.4), "DE"))
    assert names(interest=topic, country="DE") == ["Schachklub"]
    assert names(interest=topic, scope=["local", "national"]) == ["Chess Café"]
    for q in ("cafe", "PARK play", "chess café", topic.split()[0] + " park"):
        assert names(interest=topic, q=q) == ["Chess Café"], q
    assert names(interest=topic, q="chess berlin") == []


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("東京猫カフェ", "猫カフェ"),
        ("東京猫カフェ", "猫"),
        ("Клуб кошек", "КОШЕК"),
        ("Οι Γάτες μας", "ΓΑΤΕΣ"),
        ("نَادِي القِطَط", "نادي القطط"),
        ("बिल्ली प्रेमी", "बिल्ली"),
        ("Team 🐱", "🐱"),
    ],
)
def test_words_in_any_script_are_found(register, found, names, topic, name, q):
    found(register(), name=name, interests=[topic])
    assert names(q=q, interest=topic) == [name]


def test_a_search_that_widens_goes_as_far_as_it_must(api, register, found, search, topic):
    ana = register(place=at(WASHINGTON))

    def reached(**params):
        page = search(interest=topic, widen="true", as_=ana, **params)
        return page["scope_reached"], [one["name"] for one in page["items"]]

    assert reached(near=NEAR) == ("virtual", [])
    found(ana, name="online", interests=[topic], scope="virtual")
    assert reached(near=NEAR) == ("virtual", ["online"])
    assert reached(near=NEAR, country="DE") == ("virtual", ["online"])
    found(ana, name="nation", interests=[topic], scope="national", place=at(BOSTON))
    assert reached(near=NEAR) == ("national", ["nation"])
    found(ana, name="region", interests=[topic], scope="regional", place=at(RICHMOND))
    assert reached(near=NEAR, within_km=10) == ("regional", ["region"])
    found(ana, name="far away", interests=[topic], scope="local", place=at(BOSTON))
    assert reached(near=NEAR) == ("regional", ["region"])
    found(ana, name="here", interests=[topic], scope="local", place=at(WASHINGTON))
    assert reached(near=NEAR) == ("local", ["here"])
    assert reached() == ("local", ["here", "far away"])
    assert reached(near=NEAR, scope=["national", "virtual"]) == ("national", ["nation"])


def test_a_search_that_does_not_widen_does_not_say_how_far(search, topic):
    assert "scope_reached" not in search(interest=topic)


def test_when_there_is_nobody_yet_the_closest_are_shown(register, found, search, topic):
    ana = register()
    a, b, c = (f"{topic} {letter}" for letter in "abc")
    found(ana, name="a far", interests=[a], scope="local", place=at(BOSTON))
    found(ana, name="a near", interests=[a], scope="local", place=at(BALTIMORE))
    found(ana, name="a and b", interests=[b, a], scope="local", place=at(BOSTON))
    found(ana, name="b online", interests=[b], scope="virtual")
    page = search(interest=[a, b, c], near=NEAR)
    assert (page["items"], page["next"]) == ([], None)
    assert page["nobody_yet"]["watchers"] == 0
    closest = page["nobody_yet"]["closest"]
    assert [one["name"] for one in closest] == ["a and b", "a near", "a far", "b online"]
    assert closest[1]["match"] == {"shared": [a], "missing": [b, c], "distance_km": pytest.approx(56.6, abs=0.1)}


def test_at_most_five_are_closest_and_none_where_nothing_is_shared(register, found, search, topic):
    ana = register()
    for n in range(6):
        found(ana, name=f"group {n}", interests=[topic])
    assert len(search(interest=[topic, topic + " b"])["nobody_yet"]["closest"]) == 5
    assert search(interest=topic + " c")["nobody_yet"] == {"watchers": 0, "closest": []}
    assert search(q="zxcvbnm")["nobody_yet"] == {"watchers": 0, "closest": []}
    assert "nobody_yet" not in search(interest=topic)


def test_other_people_who_watch_for_exactly_this_set_are_counted(api, register, search, topic):
    ana, ben, chris = register("ana"), register("ben"), register("chris")
    a, b = topic, topic + " b"
    for person, interests in ((ana, [a, b]), (ana, [b, a]), (ben, [b, a]), (chris, [a])):
        assert api.post("/v1/watches", {"interests": interests}, as_=person.caller).status == 201
    assert search(interest=[b, a, b])["nobody_yet"]["watchers"] == 2
    assert search(interest=[a, b], as_=chris)["nobody_yet"]["watchers"] == 2
    assert search(interest=[a, b], as_=ana)["nobody_yet"]["watchers"] == 1
    assert search(interest=[a], as_=chris)["nobody_yet"]["watchers"] == 0
    assert search(interest=[b])["nobody_yet"]["watchers"] == 0


def test_what_is_found_says_what_the_caller_is_in_it(register, found, join, search, topic):
    ana, ben = register("ana"), register("ben")
    group = found(ana, interests=[topic])
    join(group, ben)
    for person, viewer in ((None, None), (ana, "organizer"), (ben, "member"), (register("eve"), None)):
        (seen,) = search(interest=topic, as_=person)["items"]
        assert (seen["viewer"] and seen["viewer"]["role"]) == viewer
    assert set(seen) == {*vars(group), "match"}


ORDERS = [
    {},
    {"sort": "newest"},
    {"sort": "largest"},
    {"near": NEAR},
    {"near": NEAR, "sort": "nearest"},
    {"near": NEAR, "sort": "largest"},
    {"match": "any"},
    {"match": "any", "near": NEAR},
    {"widen": "true", "near": NEAR},
    {"match": "any", "sort": "newest"},
]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_repeat_and_skip_nothing_while_others_are_founded(api, register, found, join, order, data, topic):
    ana, ben = register("ana", place=at(WASHINGTON)), register("ben")
    dice = random.Random(7)
    points = [WASHINGTON, WASHINGTON, BALTIMORE, (38.95, -77.1)]
    interests = [[topic], [topic, topic + " b"], [topic + " b"]]

    def another():
        scope = dice.choice(["local", "local", "regional", "national"])
        chosen = dice.choice(interests[:2] if "match" not in order else interests)
        return found(ana, name="Some group", interests=chosen, scope=scope, place=at(dice.choice(points)))

    groups = [another() for _ in range(15)]
    for group in groups[::3]:
        join(group, ben)
    wanted = {"interest": [topic, topic + " b"] if "match" in order else [topic], **order}
    whole = api.get("/v1/groups", as_=ana.caller, params={**wanted, "limit": 100}).json()["items"]
    seen, cursor = [], None
    for page_number in itertools.count():
        params = {**wanted, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/groups", as_=ana.caller, params=params).json()
        seen += [one["id"] for one in page["items"]]
        if page_number < 3:
            another()
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in {one["id"] for one in whole}] == [one["id"] for one in whole]
    assert len(whole) >= 5


def test_a_page_links_to_the_next(api, register, found, topic):
    ana = register()
    for n in range(3):
        found(ana, name=f"group {n}", interests=[topic])
    answer = api.get("/v1/groups", params={"interest": topic, "limit": 2})
    link, relation = answer.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    rest = api.get(link.strip("<>"))
    assert len(rest.json()["items"]) == 1
    assert rest.json()["next"] is None
    assert "Link" not in rest.headers


@pytest.mark.parametrize(
    "query",
    [
        "near=91,0",
        "near=38.9",
        "near=a,b",
        "near=nan,0",
        "within_km=10",
        "near=1,2&within_km=0",
        "near=1,2&within_km=20001",
        "near=1,2&within_km=nan",
        "near=1,2&near=3,4",
        "sort=nearest",
        "sort=hottest",
        "match=some",
        "scope=galactic",
        "country=usa",
        "country=us",
        "widen=perhaps",
        "interest=",
        "interest=%23",
        "interest=" + "x" * 51,
        "&".join(f"interest=i{n}" for n in range(16)),
        "interest=%ff",
        "interest[$ne]=x",
        "q=" + "x" * 201,
        "limit=0",
        "limit=101",
        "limit=1.5",
        "unknown=1",
        "cursor=",
        "cursor=%F0%9F%90%B1",
        "cursor=" + Cursor.encode(["", "all sorted", [1]]),
        "cursor=" + Cursor.encode(["", "all sorted", [1, {"$gt": ""}]]),
        "cursor=" + Cursor.encode(["", "all sorted", [float("nan"), "grp_"]]),
        "cursor=" + Cursor.encode(["", "all sorted", [10**30, "grp_"]]),
        "cursor=" + Cursor.encode(["", "no course", [1, "grp_"]]),
        "cursor=" + Cursor.encode(["galactic", "all sorted", [1, "grp_"]]),
        "near=1,2&cursor=" + Cursor.encode(["", "all nearest", [float("inf"), 1, "grp_"]]),
        "near=1,2&cursor=" + Cursor.encode(["", "all nearest", [-5, 1, "grp_"]]),
    ],
)
def test_a_search_that_cannot_be_understood_is_400(api, query):
    answer = api.get(f"/v1/groups?{query}")
    assert (answer.status, answer.problem) == (400, "malformed-request")
