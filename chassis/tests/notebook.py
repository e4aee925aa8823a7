"""A small service that uses all of the chassis: what its tests run as a real process."""

from __future__ import annotations

import time
from typing import Any

import eventlet
from marshmallow import fields
from pymongo import ASCENDING, IndexModel

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, endpoint
from chassis.ids import new_id
from chassis.messages import Message
from chassis.problems import Conflict, NotFound
from chassis.schemas import Flag, Integer, ListQuery, Page, Schema, Text, Time, Tolerant, page_of
from chassis.settings import Settings
from chassis.store import Projection, Repository, Store
from chassis.subscriptions import subscribe


class NewNote(Schema):
    """What somebody writes."""

    text = Text(1, 100, required=True, lines=True)
    stars = Integer(0, 5)
    pinned = Flag()


class ChangedNote(Schema):
    """What may change of a note."""

    text = Text(1, 100, lines=True)


class Note(Schema):
    """A note."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    by = fields.String(allow_none=True)
    at = Time(required=True)
    version = Integer(required=True)


class NoteWrittenData(Schema):
    """What others hear of a note."""

    note_id = fields.String(required=True)
    text = fields.String(required=True)


class NoteWritten(Message):
    """Somebody wrote a note."""

    type = "notebook.note.written.v1"
    data = NoteWrittenData
    example = {"note_id": "nte_01JDCM0Y0G0000000000000000", "text": "Buy bacon"}


class ReadNote(Tolerant):
    """What the subscriptions here need of a note."""

    note_id = fields.String(required=True)
    text = fields.String(required=True)


class Notes(Repository):
    """Notes, newest last."""

    collection = "notes"
    indexes = (IndexModel([("by", ASCENDING), ("_id", ASCENDING)]),)

    def add(self, note: dict[str, Any]) -> None:
        """Keep a new note."""
        self.documents.insert_one({**note, "_id": note["id"]}, session=self.session)

    def get(self, identifier: str) -> dict[str, Any]:
        """A note. Raises NotFound."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        if found is None:
            raise NotFound("There is no such note.")
        return found

    def change(self, identifier: str, text: str) -> dict[str, Any]:
        """Change a note's text; gives the note as it is now."""
        found = self.get(identifier)
        changed = {"text": text, "version": found["version"] + 1}
        self.documents.update_one({"_id": identifier}, {"$set": changed}, session=self.session)
        return {**found, **changed}

    def page(self, limit: int, after: str | None) -> list[dict[str, Any]]:
        """Up to `limit + 1` notes after an id, in order."""
        query = {"_id": {"$gt": after}} if after else {}
        return list(self.documents.find(query, session=self.session).sort("_id", ASCENDING).limit(limit + 1))


class Heard(Repository):
    """What was heard, once for each time that it took effect."""

    collection = "heard"

    def add(self, text: str) -> None:
        """Keep one effect."""
        self.documents.insert_one({"text": text}, session=self.session)


class Known(Projection):
    """The newest text of each note, as messages have it."""

    collection = "known"


class Notebook:
    """Notes, and what is heard of them."""

    name = "notebook"
    store = Store(notes=Notes, heard=Heard, known=Known)
    settings = Settings()

    @endpoint("POST", "/v1/notes", access=ANYONE, body=NewNote, returns=Note, status=201, idempotent=True)
    def write_note(self, call: Any, body: dict[str, Any]) -> Answer:
        """Write a note."""
        note = {"id": new_id("nte"), "by": call.person and call.person.id, "at": call.now, "version": 1, **body}
        with self.store.transaction(call) as tx:
            tx.notes.add(note)
            if body["text"].startswith("slow"):
                eventlet.sleep(1)
            if body["text"].startswith("conflict"):
                raise Conflict("This note is not to be.")
            tx.publish(NoteWritten({"note_id": note["id"], "text": note["text"]}, subject=note["id"], sequence=1))
        return Answer(note, location=f"/v1/notes/{note['id']}")

    @endpoint("GET", "/v1/notes/{note}", access=ANYONE, returns=Note)
    def read_note(self, call: Any, note: str) -> dict[str, Any]:
        """Read a note."""
        found: dict[str, Any] = self.store.notes.get(note)
        return found

    @endpoint("PATCH", "/v1/notes/{note}", access=SIGNED_IN, body=ChangedNote, returns=Note)
    def change_note(self, call: Any, note: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change a note."""
        with self.store.transaction(call) as tx:
            call.expect_version(tx.notes.get(note)["version"])
            eventlet.sleep(0.02)
            changed: dict[str, Any] = tx.notes.change(note, body["text"])
            tx.publish(NoteWritten({"note_id": note, "text": body["text"]}, subject=note, sequence=changed["version"]))
        return changed

    @endpoint(
        "POST", "/v1/notes/{note}/stars", access=SIGNED_IN, body=ChangedNote, returns=Note, status=201, idempotent=True
    )
    def star_note(self, call: Any, note: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change a note when it is one's turn."""
        with self.store.transaction(call, turn=note) as tx:
            tx.notes.get(note)
            eventlet.sleep(0.05)
            changed: dict[str, Any] = tx.notes.change(note, body["text"])
            if body["text"] == "conflict":
                raise Conflict("This note is not to be.")
        return changed

    @endpoint("GET", "/v1/notes", access=ANYONE, query=ListQuery, returns=page_of(Note))
    def list_notes(self, call: Any, query: dict[str, Any]) -> Page:
        """All notes."""
        after = query.get("cursor")
        found = self.store.notes.page(query["limit"], after and after[0])
        return Page.cut(found, query["limit"], lambda note: [note["_id"]])

    @endpoint("DELETE", "/v1/notes/{note}", access=SIGNED_IN, status=204)
    def drop_note(self, call: Any, note: str) -> None:
        """Throw a note away."""
        with self.store.transaction(call) as tx:
            tx.notes.get(note)
            tx.notes.documents.delete_one({"_id": note}, session=tx.session)

    @endpoint("POST", "/v1/faults", access=ANYONE, status=204)
    def fail(self, call: Any) -> None:
        """Fail as a programming mistake does."""
        raise ZeroDivisionError("secret inside")

    @endpoint("POST", "/v1/naps", access=ANYONE, status=204)
    def nap(self, call: Any) -> None:
        """Take half a second."""
        eventlet.sleep(0.5)

    @endpoint("POST", "/v1/toil", access=ANYONE, status=204)
    def toil(self, call: Any) -> None:
        """Keep the CPU, as no endpoint should."""
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass

    @subscribe("notebook.note.written.v1", data=ReadNote, projection="known")
    def know(self, message: Any) -> None:
        """Keep the newest text of a note."""
        with self.store.transaction(message) as tx:
            tx.known.project(message.data["note_id"], message.sequence, {"text": message.data["text"]})

    @subscribe("notebook.note.written.v1", data=ReadNote)
    def hear(self, message: Any) -> None:
        """Have one effect for each message; fail while the text says so."""
        with self.store.transaction(message) as tx:
            tx.heard.add(message.data["text"])
            if "poison" in message.data["text"]:
                raise ValueError("cannot swallow that")
