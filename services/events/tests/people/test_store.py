"""What is known of people comes out the same in whatever order messages come, and who is erased stays erased."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from chassis.ids import new_id
from chassis.store import SNAPSHOT, OpenStore, open_store
from events.icebreakers.model import Attendee
from events.people.store import People
from events.service import Events


@pytest.fixture(scope="module")
def opened(shared_database: str) -> Iterator[OpenStore]:
    store = open_store(shared_database, "events", Events.store.repositories)
    store.make_indexes()
    yield store
    store.client.close()


@pytest.mark.parametrize("known", [True, False])
def test_who_is_held_is_not_erased_behind_our_back(opened: OpenStore, known: bool) -> None:
    person = new_id("psn")
    if known:
        opened.people.note({"id": person, "handle": person, "display_name": "Ben"}, 1)
    with (
        pytest.raises(OperationFailure) as met,
        opened.client.start_session() as session,
        session.start_transaction(SNAPSHOT),
    ):
        inside = People(opened.database, session)
        assert inside.gone([person]) == set()
        opened.people.erase(person, 2)
        inside.hold_all([person])
    assert met.value.has_error_label("TransientTransactionError")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(3)), erased=st.booleans())
def test_a_person_is_called_as_the_newest_message_says(opened: OpenStore, order: Sequence[int], erased: bool) -> None:
    person, handle = new_id("psn"), new_id("")
    for number in order:
        if erased and number == 2:
            opened.people.erase(person, 3)
        else:
            profile = {"interests": [f"interest {number}"], "background": f"{number}", "icebreakers": True}
            opened.people.note(
                {"id": person, "handle": handle, "display_name": f"Name {number}", **profile}, 1 + number
            )
    if erased:
        assert opened.people.named([person]) == {} and opened.people.gone([person]) == {person}
        assert opened.people.by_handles([handle]) == {}
        assert opened.people.met(person) is None and opened.people.open_to_meet([person]) == []
        assert opened.people.held_about(person) is None and opened.people.hold(person) is None
        assert "interest 0" not in str(opened.people.documents.find_one({"_id": person}))
    else:
        assert opened.people.named([person]) == {person: {"id": person, "handle": handle, "display_name": "Name 2"}}
        assert opened.people.gone([person]) == set()
        assert opened.people.open_to_meet([person]) == [Attendee(person, handle, "Name 2", ["interest 2"], "2")]
        assert opened.people.by_handles([handle, "nobody"]) == {handle: person}
