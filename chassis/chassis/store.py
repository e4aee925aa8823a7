"""A service's MongoDB: repositories, and the unit of work in which state, messages, inbox and idempotency commit together."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from bson.codec_options import CodecOptions
from nameko.extensions import DependencyProvider
from pymongo import IndexModel, MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from chassis import idempotency, inbox, outbox, tracing
from chassis.endpoints import Call, Reply
from chassis.messages import Message, Received
from chassis.problems import Unavailable
from chassis.relay import OutboxRelay
from chassis.timers import Tick
from chassis.turns import TooLong, Turns

if TYPE_CHECKING:
    from nameko.containers import WorkerContext

log = logging.getLogger(__name__)

SNAPSHOT = ReadConcern("snapshot")
MAJORITY = WriteConcern("majority")
_EXISTS = 48


class Repository:
    """One collection of a service: its documents, indexes and queries. Subclass it, name the `collection`, declare `indexes`.

    Every query passes `session=self.session`, which is None outside a unit of work.
    """

    collection: ClassVar[str]
    indexes: ClassVar[Sequence[IndexModel]] = ()

    def __init__(self, database: Database[dict[str, Any]], session: ClientSession | None = None) -> None:
        self.database = database
        self.documents: Collection[dict[str, Any]] = database[self.collection]
        self.session = session


class Projection(Repository):
    """A collection built from messages alone; it can be thrown away and rebuilt from the log (`rebuild`, see chassis.operate)."""

    def project(self, key: Any, sequence: int, fields: Mapping[str, Any]) -> None:
        """Write the document `key` as a message of this `sequence` has it, unless what stands there is as new or newer.

        Other fields of the document stay. A document is never deleted by a message (a late older one would bring it back):
        what has ended is written as such.
        """
        fresh = {"$lt": [{"$ifNull": ["$sequence", -1]}, sequence]}
        new = {name: {"$literal": value} for name, value in {**fields, "sequence": sequence}.items()}
        merged = {"$cond": [fresh, {"$mergeObjects": ["$$ROOT", new]}, "$$ROOT"]}
        self.documents.update_one({"_id": key}, [{"$replaceWith": merged}], upsert=True, session=self.session)


class Store(DependencyProvider):
    """The dependency that gives a service its repositories: `store = Store(people=People, groups=Groups)`.

    In a worker, `self.store.people` reads outside transactions, and `self.store.transaction(call)` begins a unit of work.
    """

    relay = OutboxRelay()

    def __init__(self, **repositories: type[Repository]) -> None:
        self.repositories = repositories

    def setup(self) -> None:
        settings = self.container.config["settings"]
        self.opened = open_store(settings.mongo_uri, self.container.service_name, self.repositories)
        self.container.config["store"] = self.opened
        self.opened.make_indexes()

    def stop(self) -> None:
        self.relay.stop()
        self.opened.client.close()

    def get_dependency(self, worker_ctx: WorkerContext) -> OpenStore:
        return self.opened


class OpenStore:
    """A store that is connected; `store.<name>` is the repository of that name."""

    def __init__(
        self, client: MongoClient[dict[str, Any]], service: str, repositories: Mapping[str, type[Repository]]
    ) -> None:
        self.client = client
        self.service = service
        options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
        self.database = client.get_default_database(service).with_options(codec_options=options, write_concern=MAJORITY)
        self.repositories = repositories
        self.turns = Turns()
        for name, repository in repositories.items():
            setattr(self, name, repository(self.database))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the store has no repository {name!r}")

    def make_indexes(self) -> None:
        """Make all declared indexes that are missing. Waits until they are there."""
        kept: list[tuple[str, Sequence[IndexModel]]] = [
            (idempotency.COLLECTION, idempotency.INDEXES),
            (inbox.COLLECTION, inbox.INDEXES),
            (outbox.COLLECTION, outbox.INDEXES),
        ]
        kept += [(repository.collection, repository.indexes) for repository in self.repositories.values()]
        existing = set(self.database.list_collection_names())
        for collection, indexes in kept:
            if indexes:
                self.database[collection].create_indexes(list(indexes))
            elif collection not in existing:
                self._make_collection(collection)

    def _make_collection(self, name: str) -> None:
        """Make a collection that another process, or another repository, may be making in the same moment."""
        try:
            self.database.create_collection(name, check_exists=False)
        except OperationFailure as fault:
            if fault.code != _EXISTS:
                raise

    def transaction(self, cause: Call | Received | Tick, *, turn: str | None = None) -> UnitOfWork:
        """Begin the unit of work for a call, a received message or a tick. Use it with `with`; see UnitOfWork.

        `turn` names what all of its kind write, e.g. the id of a group: those with the same turn go one after another in
        this process, first come first served, instead of refusing each other. Raises Unavailable when a call's turn does
        not come in time.
        """
        return UnitOfWork(self, cause, turn)

    def replay(self, claim: idempotency.Claim) -> Reply | None:
        """The answer that a call with this claim got before, marked as replayed, or None. Raises IdempotencyMismatch."""
        kept = idempotency.recall(claim, self.database)
        if kept is None:
            return None
        head, _, body = kept.partition(b"\n")
        status, headers = json.loads(head)
        return Reply(status, {**headers, "Idempotency-Replayed": "true"}, body)


class UnitOfWork(AbstractContextManager["UnitOfWork"]):
    """One MongoDB transaction for new state, messages to publish, and the record that keeps its cause from taking effect twice.

    `tx.<name>` is the repository of that name inside the transaction; `tx.publish(message)` puts a message into the outbox.
    An exception in the block, or `tx.rollback()`, leaves nothing behind. A received message that took effect before raises
    inbox.AlreadyDone on entering, which its subscription takes for success.

    A call with an Idempotency-Key commits when its endpoint has returned, since the answer commits with the effect: do nothing
    after the block that relies on the commit. All else commits at the end of the block.
    """

    def __init__(self, store: OpenStore, cause: Call | Received | Tick, turn: str | None = None) -> None:
        self.store = store
        self.cause = cause
        self.turn = turn
        self.held = ExitStack()
        self.messages: list[Message] = []
        self.rolled_back = False

    def __enter__(self) -> UnitOfWork:
        try:
            if self.turn is not None:
                self._take_turn(self.turn)
            self.session = self.held.enter_context(self.store.client.start_session())
            self.session.start_transaction(SNAPSHOT, MAJORITY, ReadPreference.PRIMARY)
            for name, repository in self.store.repositories.items():
                setattr(self, name, repository(self.store.database, self.session))
            if isinstance(self.cause, Received):
                inbox.accept(self.cause, self.store.database, self.session)
            elif self.cause.claim is not None:
                idempotency.stake(self.cause.claim, self.store.database, self.session)
        except BaseException:
            self.close()
            raise
        return self

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the unit of work has no repository {name!r}")

    @property
    def now(self) -> datetime:
        """The time of the cause, UTC, to the millisecond."""
        return self.cause.now

    def publish(self, message: Message) -> None:
        """Publish a message once this unit of work has committed; never if it does not."""
        self.messages.append(message)

    def rollback(self) -> None:
        """Leave nothing of this unit of work behind, without an exception."""
        self.rolled_back = True

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None or self.rolled_back:
            self.close()
            return
        try:
            if self.messages:
                outbox.add(self.messages, tracing.current(), self.store.database, self.session)
            if isinstance(self.cause, Call) and self.cause.claim is not None:
                self.cause.pending = self
                return
            self._commit()
        finally:
            if not (isinstance(self.cause, Call) and self.cause.pending is self):
                self.close()

    def commit(self, reply: Reply) -> None:
        """Commit together with the answer of the call that is the cause."""
        assert isinstance(self.cause, Call)
        assert self.cause.claim is not None
        kept = json.dumps([reply.status, reply.headers]).encode() + b"\n" + reply.body
        idempotency.keep(self.cause.claim, kept, self.store.database, self.session)
        self._commit()

    def _commit(self) -> None:
        while True:
            try:
                self.session.commit_transaction()
                break
            except PyMongoError as fault:
                # The commit may or may not have happened; committing again is harmless and finds out.
                # https://www.mongodb.com/docs/manual/core/transactions-in-applications/
                late = isinstance(self.cause, Call) and self.cause.time_left() < 0
                if late or not fault.has_error_label("UnknownTransactionCommitResult"):
                    raise
        if self.messages:
            outbox.committed()

    def close(self) -> None:
        """End the transaction (abort, unless it committed), give the session back, and let the next one have its turn."""
        self.held.close()

    def _take_turn(self, turn: str) -> None:
        seconds = max(self.cause.time_left() - 0.5, 0) if isinstance(self.cause, Call) else None
        try:
            self.held.enter_context(self.store.turns.take(turn, seconds))
        except TooLong:
            raise Unavailable("Too many changes at once. Try again soon.") from None


def open_store(uri: str, service: str, repositories: Mapping[str, type[Repository]]) -> OpenStore:
    """Connect to the service's database: the one the URI names, else one called as the service."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        uri,
        appname=f"commonground-{service}",
        tz_aware=True,
        maxPoolSize=200,
        serverSelectionTimeoutMS=3_000,
        connectTimeoutMS=3_000,
        socketTimeoutMS=10_000,
        retryWrites=True,
    )
    return OpenStore(client, service, repositories)
