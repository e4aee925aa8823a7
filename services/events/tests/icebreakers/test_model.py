"""What makes a good icebreaker, for any people at all."""

import random
import string
import time
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from events.icebreakers.model import WORDINGS, Attendee, break_ice, differ

INTERESTS = ["kittens", "bacon", "bonsai", "chess", "jazz", "rust"]
BACKGROUNDS = ["", "science", " Science ", "government", "the {arts} %s"]

attendees = st.lists(
    st.builds(
        Attendee,
        id=st.integers(0, 30).map(lambda number: f"psn_{number}"),
        handle=st.just("somebody"),
        display_name=st.sampled_from(["Ben", "Chris", "{first}"]),
        interests=st.lists(st.sampled_from(INTERESTS), unique=True),
        background=st.sampled_from(BACKGROUNDS),
    ),
    unique_by=lambda one: one.id,
    max_size=20,
)
topics = st.lists(st.sampled_from(INTERESTS), unique=True, max_size=2)


def person(name: str, *interests: str, background: str = "") -> Attendee:
    return Attendee(f"psn_{name}", name, name.title(), interests, background)


ANA = person("ana", "kittens", "bonsai", "chess", "jazz", background="science")


class TestWhomToMeet:
    def test_the_rarest_shared_interest_goes_first(self) -> None:
        others = [person("ben", "chess"), person("chris", "chess", "bonsai"), person("dora", "jazz"), person("eve")]
        made = break_ice("evt_1", ["kittens"], ANA, others)
        assert [one.shared for one in made if "chess" not in one.shared] == [["jazz"]]
        assert made[0].person.handle == "chris" and made[0].shared == ["bonsai", "chess"]
        assert [one.person.handle for one in made] == ["chris", "dora", "ben"]

    def test_who_shares_as_rare_an_interest_and_more_goes_first(self) -> None:
        others = [person("ben", "chess"), person("chris", "chess", "jazz"), person("dora", "jazz")]
        assert break_ice("evt_1", [], ANA, others)[0].person.handle == "chris"

    def test_of_who_shares_the_same_a_different_background_goes_first(self) -> None:
        for name in string.ascii_lowercase[:10]:
            same = person(name, "chess", background="SCIENCE")
            other = person("z" + name, "chess", background="government")
            assert break_ice("evt_1", [], ANA, [same, other])[0].person is other

    def test_the_topic_of_the_group_breaks_no_ice(self) -> None:
        others = [person("ben", "kittens"), person("chris", "kittens", "chess")]
        made = break_ice("evt_1", ["kittens"], ANA, others)
        assert [(one.person.handle, one.shared) for one in made] == [("chris", ["chess"])]

    def test_a_different_background_is_enough(self) -> None:
        (made,) = break_ice("evt_1", [], ANA, [person("ben", background="government"), person("chris")])
        assert (made.person.handle, made.shared) == ("ben", []) and "“government”" in made.opener

    def test_backgrounds_differ_however_they_are_written(self) -> None:
        assert differ("science", "government")
        assert not differ("science", " SCIENCE ") and not differ("", "science") and not differ("science", " ")

    @given(me=attendees.filter(len), others=attendees, topic=topics)
    def test_are_all_with_whom_there_is_something_to_talk_about_once(
        self, me: list[Attendee], others: list[Attendee], topic: list[str]
    ) -> None:
        viewer = me[0]
        made = break_ice("evt_1", topic, viewer, others)
        expected = {
            one.id: set(viewer.interests) & set(one.interests) - set(topic)
            for one in others
            if one.id != viewer.id
            and (set(viewer.interests) & set(one.interests) - set(topic) or differ(viewer.background, one.background))
        }
        assert {one.person.id: set(one.shared) for one in made} == expected and len(made) == len(expected)
        counts = Counter(interest for one in made for interest in one.shared)
        for one in made:
            assert [counts[interest] for interest in one.shared] == sorted(counts[i] for i in one.shared)
        ranks = [(*(counts[interest] for interest in one.shared), float("inf")) for one in made]
        assert ranks == sorted(ranks)

    @given(others=attendees, topic=topics, seed=st.randoms())
    def test_are_the_same_whenever_it_is_asked(
        self, others: list[Attendee], topic: list[str], seed: random.Random
    ) -> None:
        shuffled = list(others)
        seed.shuffle(shuffled)
        assert break_ice("evt_1", topic, ANA, others) == break_ice("evt_1", topic, ANA, shuffled)


class TestOpeners:
    @given(me=attendees.filter(len), others=attendees, topic=topics)
    def test_no_two_neighbours_have_the_same(
        self, me: list[Attendee], others: list[Attendee], topic: list[str]
    ) -> None:
        made = break_ice("evt_1", topic, me[0], others)
        assert all(one.wording != other.wording and one.opener != other.opener for one, other in pairwise(made))

    @given(me=attendees.filter(len), others=attendees)
    def test_name_who_is_meant_and_what_is_shared(self, me: list[Attendee], others: list[Attendee]) -> None:
        for one in break_ice("evt_1", [], me[0], others):
            assert one.person.display_name in one.opener
            if one.shared:
                assert one.shared[0].casefold() in one.opener.casefold()
            else:
                assert f"“{one.person.background.strip()}”" in one.opener

    def test_are_varied(self) -> None:
        others = [person(f"p{number}", "chess") for number in range(100)]
        made = break_ice("evt_1", [], ANA, others)
        assert len({one.wording for one in made}) >= 4
        again = {one.person.id: one.wording for one in break_ice("evt_2", [], ANA, others)}
        assert sum(again[one.person.id] != one.wording for one in made) > 50

    def test_have_wordings_that_differ_and_say_who_is_meant(self) -> None:
        assert len(set(WORDINGS)) == len(WORDINGS)
        assert all("{name}" in one for one in WORDINGS)


def test_a_thousand_attendees_take_less_than_a_tenth_of_a_second() -> None:
    chance = random.Random(1)
    words = [f"interest {number}" for number in range(300)]
    people = [
        person(f"p{number}", *chance.sample(words, 50), background=chance.choice(BACKGROUNDS))
        for number in range(1_000)
    ]
    spent = []
    for _ in range(3):
        began = time.process_time()
        made = break_ice("evt_1", words[:10], people[0], people)
        spent.append(time.process_time() - began)
    assert len(made) > 900
    assert min(spent) < 0.1, spent
