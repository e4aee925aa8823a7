"""A service of which only the time makes anything happen: what the tests of timers run as a real process."""

from typing import Any

from chassis.settings import Settings
from chassis.store import Repository, Store
from chassis.timers import Tick, every


class Ticks(Repository):
    """What happened, and how much of it was kept."""

    collection = "ticks"

    def count(self, name: str) -> int:
        """Count one more."""
        counted = self.documents.find_one_and_update(
            {"_id": name}, {"$inc": {"number": 1}}, upsert=True, session=self.session
        )
        return 1 if counted is None else counted["number"] + 1


class Ticker:
    """Counts, in one document that all processes write."""

    name = "notebook"  # which is known to the broker
    store: Any = Store(ticks=Ticks)
    settings = Settings()

    @every(0.1)
    def tick(self, tick: Tick) -> None:
        """Count what begins outside of a transaction, and what is kept inside. Each third fails at its end."""
        begun = self.store.ticks.count("begun")
        with self.store.transaction(tick) as tx:
            tx.ticks.count("kept")
            if begun % 3 == 0:
                raise RuntimeError("the third")
