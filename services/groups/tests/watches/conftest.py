"""What tests of watches need beside."""

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from groups.people.model import register
from groups.watches.model import watch


@pytest.fixture
def many_watch():
    """Have so many people watch for a topic, without asking the service for each; gives the ids of the watches."""

    def many_watch(data, topic, count):
        made = datetime(2026, 11, 23, tzinfo=UTC)
        watchers = [register({"handle": f"{topic} {n:05}", "display_name": "W"}, made) for n in range(count)]
        watches = [watch(one, {"interests": [topic]}, made) for one in watchers]
        data.people.insert_many([{**asdict(one), "_id": one.id, "password": ""} for one in watchers])
        data.watches.insert_many([{**asdict(one), "_id": one.id, "set": topic} for one in watches])
        data.demand.insert_one(
            {"_id": topic, "id": f"dmd_{topic}", "schema": 1, "interests": [topic], "head": topic}
            | {"watchers": count, "told": count, "served_by": "", "version": 1}
        )
        return [one.id for one in watches]

    return many_watch
