"""The rules of seats, without any I/O, by example. `test_histories.py` has any history at all."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.problems import Invalid, NotAllowed, NotFound
from events.events.model import AlreadyCancelled, Event
from events.groups.model import STRANGER, Membership
from events.rsvps.model import Book, NotEnoughSeats, RsvpClosed, admit

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
PEOPLE = ("ana", "ben", "chris", "dora", "eve", "fay", "gus")


def event(capacity: int | None = 2, max_guests: int = 3, **different: object) -> Event:
    made = Event("evt_1", "grp_1", "kittens", "Kittens", "public", False, 1, ["kittens"], NOW, "psn_ana")
    made.capacity, made.max_guests, made.visibility = capacity, max_guests, "public"
    made.starts_at, made.ends_at = NOW + timedelta(days=1), NOW + timedelta(days=1, hours=2)
    for name, value in different.items():
        setattr(made, name, value)
    return made


def person(name: str) -> dict[str, str]:
    return {"id": name, "handle": name, "display_name": name.title()}


def answer(book: Book, name: str, said: str = "going", guests: int = 0) -> str:
    return book.answer(person(name), said, guests, NOW, 1).status


def statuses(book: Book) -> dict[str, str]:
    return {rsvp.person: rsvp.status for rsvp in book.rsvps.values()}


def waiting(book: Book) -> list[str]:
    line = [rsvp for rsvp in book.rsvps.values() if rsvp.status == "waitlisted"]
    return [rsvp.person for rsvp in sorted(line, key=lambda rsvp: rsvp.place)]


class TestAnswers:
    def test_a_full_event_puts_people_on_the_waitlist_in_order(self) -> None:
        book = Book(event(2))
        assert [answer(book, name) for name in PEOPLE[:4]] == ["going", "going", "waitlisted", "waitlisted"]
        assert waiting(book) == ["chris", "dora"]

    def test_capacity_counts_guests(self) -> None:
        book = Book(event(4))
        assert answer(book, "ana", guests=2) == "going"
        assert answer(book, "ben", guests=1) == "waitlisted"
        assert answer(book, "chris") == "going"

    def test_without_a_capacity_everybody_goes(self) -> None:
        book = Book(event(None))
        assert {answer(book, name, guests=3) for name in PEOPLE} == {"going"}

    def test_a_seat_given_up_goes_to_the_first_at_once(self) -> None:
        book = Book(event(1))
        for name in PEOPLE[:3]:
            answer(book, name)
        answer(book, "ana", "not_going")
        assert statuses(book) == {"ana": "not_going", "ben": "going", "chris": "waitlisted"}
        assert [(fact.rsvp.person, fact.promoted) for fact in book.facts][-2:] == [("ana", False), ("ben", True)]

    def test_a_party_that_does_not_fit_neither_blocks_a_single_nor_loses_its_place(self) -> None:
        book = Book(event(3))
        answer(book, "ana", guests=2)
        answer(book, "ben", guests=2)
        answer(book, "chris")
        answer(book, "ana", guests=1)
        assert statuses(book) == {"ana": "going", "ben": "waitlisted", "chris": "going"}
        answer(book, "dora", guests=2)
        answer(book, "ana", "maybe")
        answer(book, "chris", "maybe")
        assert waiting(book) == ["dora"]

    def test_who_comes_later_and_fits_gets_a_seat_that_nobody_waiting_could_take(self) -> None:
        book = Book(event(2))
        answer(book, "ana")
        assert answer(book, "ben", guests=1) == "waitlisted"
        assert answer(book, "chris") == "going"

    def test_the_same_answer_again_changes_nothing(self) -> None:
        book = Book(event(1))
        for name in PEOPLE[:3]:
            answer(book, name)
        facts, version = len(book.facts), book.event.version
        assert answer(book, "ben") == "waitlisted"
        assert answer(book, "ana") == "going"
        assert (len(book.facts), book.event.version, waiting(book)) == (facts, version, ["ben", "chris"])

    def test_who_says_maybe_loses_the_seat_and_the_place(self) -> None:
        book = Book(event(1))
        for name in PEOPLE[:3]:
            answer(book, name)
        answer(book, "ana", "maybe")
        assert answer(book, "ana") == "waitlisted"
        assert waiting(book) == ["chris", "ana"]

    def test_who_waits_keeps_the_place_when_the_guests_change(self) -> None:
        book = Book(event(1))
        for name in PEOPLE[:3]:
            answer(book, name)
        assert answer(book, "ben", guests=2) == "waitlisted"
        assert waiting(book) == ["ben", "chris"]

    def test_who_waits_and_brings_fewer_guests_may_fit(self) -> None:
        book = Book(event(2))
        answer(book, "ana")
        answer(book, "ben", guests=1)
        assert answer(book, "ben") == "going"

    def test_who_goes_and_brings_fewer_guests_frees_seats(self) -> None:
        book = Book(event(2))
        answer(book, "ana", guests=1)
        answer(book, "ben")
        answer(book, "ana")
        assert statuses(book)["ben"] == "going"

    def test_who_goes_and_wants_more_guests_than_fit_is_refused_and_keeps_the_seat(self) -> None:
        book = Book(event(2))
        answer(book, "ana")
        answer(book, "ben")
        with pytest.raises(NotEnoughSeats) as caught:
            answer(book, "ana", guests=1)
        assert caught.value.extensions == {"free": 0}
        assert (statuses(book)["ana"], book.rsvps["ana"].guests, book.event.seats_taken) == ("going", 0, 2)

    def test_more_guests_than_the_event_allows_are_refused(self) -> None:
        book = Book(event(None, max_guests=1))
        with pytest.raises(Invalid):
            answer(book, "ana", guests=2)
        assert book.rsvps == {}

    def test_who_does_not_come_brings_no_guests(self) -> None:
        book = Book(event())
        answer(book, "ana", "not_going", guests=2)
        assert book.rsvps["ana"].guests == 0

    def test_every_fact_takes_one_version(self) -> None:
        book = Book(event(1))
        for name in PEOPLE:
            answer(book, name)
        answer(book, "ana", "not_going")
        assert [fact.sequence for fact in book.facts] == list(range(2, book.event.version + 1))

    def test_facts_say_what_was_before(self) -> None:
        book = Book(event(1))
        answer(book, "ana")
        answer(book, "ana", "maybe")
        assert [(fact.was, fact.rsvp.status) for fact in book.facts] == [(None, "going"), ("going", "maybe")]

    def test_lowering_the_capacity_removes_nobody_and_raising_it_promotes_as_many_as_fit(self) -> None:
        book = Book(event(2))
        for name in PEOPLE:
            answer(book, name)
        book.event.capacity = 1
        book.fill(NOW)
        assert book.event.seats_taken == 2
        book.event.capacity = 4
        book.fill(NOW)
        assert (book.event.seats_taken, waiting(book)) == (4, ["eve", "fay", "gus"])

    def test_nobody_gets_ahead_of_those_whom_one_decision_could_not_promote_any_more(self) -> None:
        book = Book(event(1))
        for name in PEOPLE[:5]:
            answer(book, name)
        book.event.capacity = 10
        book = Book(book.event, book.rsvps.values(), most_promotions=2)
        book.fill(NOW)
        assert book.unfinished and waiting(book) == ["dora", "eve"]
        assert answer(book, "fay") == "waitlisted"
        book = Book(book.event, book.rsvps.values())
        book.fill(NOW)
        assert not book.unfinished and book.event.seats_taken == 6

    def test_newcomers_are_those_put_on_the_waitlist_by_this_decision(self) -> None:
        before = Book(event(1))
        for name in PEOPLE[:2]:
            answer(before, name)
        book = Book(before.event, before.rsvps.values())
        answer(book, "dora")
        answer(book, "chris")
        assert [rsvp.person for rsvp in book.newcomers()] == ["dora", "chris"]


class TestLosingASeat:
    def test_takes_an_answer_given_before_the_membership_ended(self) -> None:
        book = Book(event(1))
        answer(book, "ana")
        answer(book, "ben")
        book.withdraw("ana", 2, NOW)
        assert statuses(book) == {"ana": "not_going", "ben": "going"}

    def test_spares_an_answer_given_after_joining_again(self) -> None:
        book = Book(event(1))
        book.answer(person("ana"), "going", 0, NOW, 7)
        book.withdraw("ana", 5, NOW)
        assert statuses(book) == {"ana": "going"} and len(book.facts) == 1

    def test_spares_an_answer_repeated_after_joining_again(self) -> None:
        book = Book(event(1))
        answer(book, "ana")
        book.answer(person("ana"), "going", 0, NOW, 7)
        book.withdraw("ana", 5, NOW)
        assert statuses(book) == {"ana": "going"} and "ana" in book.changed

    def test_by_erasure_leaves_nothing_and_tells_nothing(self) -> None:
        book = Book(event(1))
        answer(book, "ana")
        answer(book, "ben")
        told = len(book.facts)
        book.forget("ana", NOW)
        assert statuses(book) == {"ben": "going"}
        assert [(fact.rsvp.person, fact.promoted) for fact in book.facts[told:]] == [("ben", True)]


class TestAdmission:
    def test_whoever_may_see_an_event_may_answer(self) -> None:
        admit(event(), STRANGER, NOW)
        with pytest.raises(NotFound):
            admit(event(visibility="group"), STRANGER, NOW)

    def test_who_gives_up_a_place_need_not_see_the_event_any_more(self) -> None:
        admit(event(visibility="group"), STRANGER, NOW, gives_up=True)
        with pytest.raises(AlreadyCancelled):
            admit(event(visibility="group", cancelled_at=NOW), STRANGER, NOW, gives_up=True)

    @pytest.mark.parametrize("status", ["removed", "banned"])
    def test_who_was_shut_out_may_not(self, status: str) -> None:
        with pytest.raises(NotAllowed):
            admit(event(), Membership(status, None, 3), NOW, gives_up=True)

    def test_who_left_may_answer_what_is_public(self) -> None:
        admit(event(), Membership("left", None, 3), NOW)

    def test_a_cancelled_event_takes_no_answers(self) -> None:
        with pytest.raises(AlreadyCancelled):
            admit(event(cancelled_at=NOW), STRANGER, NOW)

    def test_answers_close_at_the_start_or_before(self) -> None:
        soon = event()
        with pytest.raises(RsvpClosed):
            admit(soon, STRANGER, soon.starts_at)
        soon.rsvp_closes_at = NOW
        with pytest.raises(RsvpClosed):
            admit(soon, STRANGER, NOW)
