"""Where check-ins are kept, one document for each person and event, so that attendance counts once."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Repository
from events.check_ins.model import CheckIn

SCHEMA = 1


class CheckIns(Repository):
    """All check-ins to all events."""

    collection = "check_ins"
    indexes = [IndexModel([("person_id", ASCENDING)])]

    def find(self, event: str, person: str) -> CheckIn | None:
        """A person's check-in to an event."""
        found = self.documents.find_one({"_id": _key(event, person)}, session=self.session)
        return None if found is None else _known(found)

    def add(self, one: CheckIn) -> None:
        """Keep a new check-in."""
        document = {"_id": _key(one.event, one.person), "schema": SCHEMA}
        document |= {"event_id": one.event, "person_id": one.person, "at": one.at}
        self.documents.insert_one(document, session=self.session)

    def all_of(self, person: str) -> list[CheckIn]:
        """All check-ins of a person."""
        return [_known(one) for one in self.documents.find({"person_id": person}, session=self.session)]

    def forget(self, person: str) -> None:
        """Keep no check-in of a person."""
        self.documents.delete_many({"person_id": person}, session=self.session)


def _key(event: str, person: str) -> str:
    return f"{event}:{person}"


def _known(document: dict[str, Any]) -> CheckIn:
    return CheckIn(document["event_id"], document["person_id"], document["at"])
