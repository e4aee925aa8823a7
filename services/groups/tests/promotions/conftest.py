"""People with interests that nobody else has, one by one or in crowds."""

from datetime import UTC, datetime

import pytest

from chassis.ids import new_id


@pytest.fixture
def topic():
    """Interests that nobody else has."""
    unique = new_id("x")[-6:].lower()
    return [f"kittens {unique}", f"bacon {unique}", f"hockey {unique}"]


@pytest.fixture
def crowd():
    """Put many people into a database: `crowd(data, 1000, interests=[…])`; their ids."""

    def crowd(database, number, interests, **fields):
        now = datetime.now(UTC)
        profile = {"schema": 1, "display_name": "Somebody", "joined_at": now, "updated_at": now, "version": 1}
        profile |= {"interests": interests, "place": None, "at": None, "allow_promotions": True, **fields}
        ids = [new_id("psn") for _ in range(number)]
        database.people.insert_many([{"_id": one, "handle": one.lower(), **profile} for one in ids], ordered=False)
        return ids

    return crowd
