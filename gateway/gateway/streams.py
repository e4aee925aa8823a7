"""Keeps streams open (Server-Sent Events): what a service has to tell goes to all who wait for it, as soon as it is there.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Nothing is kept here but from where each stream goes on. A service *wakes* the gateways that hold a stream for whom there may be
something new (chassis.live); a gateway then asks it once, for all its streams, what is new and whom of them it is for. It
asks every two seconds too, so a wake that is lost costs time and nothing else. Since what is new comes in the order of its
ids, one place says what was told so far, for all streams together and for one that comes back.
"""

from __future__ import annotations

import itertools
import json
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from chassis.live import MOVED, Wakes
from chassis.problems import AuthenticationRequired, Problem, TooManyRequests, Unavailable
from gateway import measures
from gateway.contracts import Call, question
from gateway.http1 import Outlet
from gateway.routes import Endless, Route

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""How long a stream is silent at most: then a comment says that it is still there."""
CATCH_UP_SECONDS = 2.0
"""How often to ask what is new though nobody said that anything is."""
TOPICS_SECONDS = 60.0
"""How often to ask what each person waits for though nobody said that it changed."""
CHECK_SECONDS = 10.0
"""How often to see whether whoever opened a stream is still signed in."""
PEOPLE_AT_ONCE = 500
"""For how many people to ask in one call."""
PER_PERSON = 20
"""How many streams a person may have open here."""
AGAIN_MS = (1_000, 4_000)
"""How long a client is to wait before it comes back: each another while, so that not all come at once."""


class Stream:
    """One open stream: who listens, for what, and after which id it goes on."""

    __slots__ = ("check", "check_at", "head", "held", "last", "outlet", "position", "route", "stale", "topics", "until")

    def __init__(self, route: Route, head: dict[str, Any], check: Callable[[], object], until: float) -> None:
        """`head` is that of the call that opens it. `check` raises AuthenticationRequired when the stream must end."""
        self.route, self.head, self.check, self.until = route, head, check, until
        self.position: str | None = head["last_event_id"]
        self.topics: frozenset[str] = frozenset()
        self.held: list[tuple[str, bytes]] | None = []
        """What came while the stream was catching up; None while it is not."""
        self.stale = False
        """Whether what it waits for changed while it was catching up."""
        self.outlet: Outlet | None = None
        self.last = time.monotonic()
        self.check_at = self.last + CHECK_SECONDS

    @property
    def person(self) -> str:
        """Who listens."""
        found: str = self.head["caller"]["id"]
        return found

    def tell(self, id_: str, event: bytes) -> None:
        """Send an event, unless the stream is past it."""
        if self.held is not None:
            self.held.append((id_, event))
        elif self.position is None or id_ > self.position:
            self.position = id_
            self.send(event)

    def send(self, content: bytes) -> None:
        """Send as much as goes out at once, the rest when it can; a client that does not keep up is cut off."""
        self.last = time.monotonic()
        if self.outlet is not None and not self.outlet.send(content):
            measures.streams_dropped.inc()

    def let_go(self) -> None:
        """Tell what came while the stream was catching up, and from now on at once."""
        held, self.held = self.held or [], None
        for id_, event in sorted(held):
            self.tell(id_, event)

    def end(self) -> None:
        """Close it; the client comes back, here or elsewhere."""
        if self.outlet is not None:
            self.outlet.end()


class Following:
    """All streams of one route: who waits for what, and how far all has been told."""

    def __init__(self, route: Route, endless: Endless, call: Call, wakes: Wakes) -> None:
        self.route, self.endless, self.call, self.wakes = route, endless, call, wakes
        self.position: str | None = None
        self.streams: set[Stream] = set()
        self.people: dict[str, set[Stream]] = {}
        self.listening: dict[str, set[Stream]] = {}
        self.waked: set[str] = set()
        self.moved: set[str] = set()
        self.nudged, self.moving, self.begun = threading.Event(), threading.Event(), threading.Event()
        self.stopping = False
        for work in (self._follow, self._move):
            threading.Thread(target=work, name=f"{route.name}{work.__name__}", daemon=True).start()

    # -- who listens

    def add(self, stream: Stream) -> None:
        """From now on all that is new is told this stream too, once it has caught up."""
        self.people.setdefault(stream.person, set()).add(stream)
        self.streams.add(stream)
        if not self.begun.is_set():
            self.nudged.set()

    def remove(self, stream: Stream) -> None:
        """Nothing more is told it."""
        self.streams.discard(stream)
        self.listen(stream, frozenset())
        own = self.people.get(stream.person, set())
        own.discard(stream)
        if not own:
            self.people.pop(stream.person, None)

    def listen(self, stream: Stream, topics: frozenset[str]) -> None:
        """The stream waits for these topics, and no others."""
        new, old, stream.topics = topics - stream.topics, stream.topics - topics, topics
        first = [one for one in new if one not in self.listening]
        for one in new:
            self.listening.setdefault(one, set()).add(stream)
        last = []
        for one in old:
            self.listening[one].discard(stream)
            if not self.listening[one]:
                del self.listening[one]
                last.append(one)
        if first:
            self.wakes.ask_for(self.route.service, first)
        if last:
            self.wakes.forgo(self.route.service, last)

    def woken(self, kind: str, topics: Iterable[str]) -> None:
        """Somebody may have to hear something new, or to wait for something else. Returns at once."""
        if kind == MOVED:
            self.moved.update(stream.person for one in topics for stream in self.listening.get(one, ()))
            self.moving.set()
        else:
            self.waked.update(topics)
            self.nudged.set()

    def stop(self) -> None:
        """Ask no more, and close all streams."""
        self.stopping = True
        self.nudged.set()
        self.moving.set()
        for stream in list(self.streams):
            stream.end()

    # -- one stream catches up

    def catch_up(self, stream: Stream, first: Mapping[str, Any]) -> None:
        """Tell a stream what it has missed, from what was answered `first` when it came. Raises Problem.

        It listens before it is asked for the last time what there was, so what comes after that is told by the others' way,
        and what comes twice is known by its id.
        """
        answer = first
        while True:
            for item in answer["items"]:
                stream.send(_event(self.endless.event, item))
            stream.position = answer["after"]
            topics = frozenset(answer["topics"])
            done = topics <= stream.topics and not answer["more"] and not stream.stale
            self.listen(stream, topics)
            if done:
                break
            stream.stale = False
            answer = self.ask_for(stream)
        stream.let_go()

    def ask_for(self, stream: Stream) -> dict[str, Any]:
        """What a stream has missed after its position. Raises Problem."""
        deadline = time.time() + QUESTION_SECONDS
        head = {**stream.head, "last_event_id": stream.position, "deadline": deadline}
        status, _, body = self.call(self.route.service, head, b"", deadline)
        return _answer(status, body)

    def _catch_up_again(self, stream: Stream) -> None:
        """After something changed for a stream that is open; if that fails the client comes back and begins anew."""
        stream.held = []
        try:
            self.catch_up(stream, self.ask_for(stream))
        except Problem as fault:
            log.info("a stream was closed", extra={"fault": fault.detail})
            stream.end()

    # -- all streams go on together

    def _follow(self) -> None:
        pause = 0.0
        while not self.stopping:
            if pause:
                time.sleep(pause)
            else:
                self.nudged.wait(CATCH_UP_SECONDS if self.streams else None)
            self.nudged.clear()
            if not self.streams:
                self.position = None
                self.begun.clear()
                continue
            try:
                while self._go_on():
                    pass
                pause = 0.0
            except Problem as fault:
                log.warning("what is new cannot be asked for", extra={"fault": fault.detail})
                pause = min(max(pause * 2, 0.1), 2.0)
            except Exception:
                log.exception("what is new cannot be told")
                pause = 2.0

    def _go_on(self) -> bool:
        """Tell what is new after what was told last; says whether there is more already. Raises Problem."""
        waked, self.waked = self.waked, set()
        ask = {"after": self.position, "until": None}
        people = set(itertools.islice(self._whom(waked), PEOPLE_AT_ONCE))
        first = answer = self._ask(self.endless.follow, {**ask, "people": sorted(people)})
        items, asked = list(answer["items"]), people
        ask["until"] = first["until"]
        # Whoever came meanwhile is asked for too: between the last look and telling nothing else can happen.
        while left := set(itertools.islice(self._whom(first["topics"], asked), PEOPLE_AT_ONCE)):
            answer = self._ask(self.endless.follow, {**ask, "people": sorted(left)})
            items += answer["items"]
            asked |= left
        self._tell(items)
        self.position = first["until"]
        self.begun.set()
        return bool(first["more"])

    def _whom(self, topics: Iterable[str], but: Collection[str] = ()) -> Iterable[str]:
        """Those who wait for any of these topics, some of them perhaps twice."""
        return (
            person for one in topics for stream in self.listening.get(one, ()) if (person := stream.person) not in but
        )

    def _tell(self, items: list[dict[str, Any]]) -> None:
        for item in sorted(items, key=lambda one: one["id"]):
            event = _event(self.endless.event, item)
            for person in item["people"]:
                for stream in self.people.get(person, ()):
                    stream.tell(item["id"], event)

    def _ask(self, endpoint: str, content: Mapping[str, Any]) -> dict[str, Any]:
        deadline = time.time() + QUESTION_SECONDS
        head = question(endpoint, f"stream {self.route.path}", deadline)
        status, _, body = self.call(self.route.service, head, json.dumps(content).encode(), deadline)
        return _answer(status, body)

    # -- what people wait for changes

    def _move(self) -> None:
        due: list[str] = []
        while not self.stopping:
            # All in turn, a part each second.
            if not self.moving.wait(1.0):
                due = due or list(self.people)
                size = min(PEOPLE_AT_ONCE, int(len(self.people) / TOPICS_SECONDS) + 1)
                self.moved.update(due[:size])
                del due[:size]
            self.moving.clear()
            moved, self.moved = self.moved & self.people.keys(), set()
            people = sorted(moved)
            for start in range(0, len(people), PEOPLE_AT_ONCE):
                try:
                    self._listen_anew(people[start : start + PEOPLE_AT_ONCE])
                except Problem as fault:
                    log.info("what people wait for cannot be asked", extra={"fault": fault.detail})

    def _listen_anew(self, people: list[str]) -> None:
        found = self._ask(self.endless.topics, {"people": people})["topics"]
        for person in people:
            topics = frozenset(found[person])
            for stream in list(self.people.get(person, ())):
                if stream.held is not None:
                    stream.stale = True
                elif topics - stream.topics:
                    threading.Thread(target=self._catch_up_again, args=(stream,), daemon=True).start()
                else:
                    self.listen(stream, topics)


class Streams:
    """All open streams of this gateway."""

    def __init__(
        self, call: Call, wakes: Callable[[Callable[..., None], Callable[[], None]], Wakes], most: int
    ) -> None:
        """`wakes(on_wake, on_bound)` makes the queue on which services wake; `most` streams may be open."""
        self.call, self.most = call, most
        self.wakes = wakes(self._woken, self._bound)
        self.following: dict[Route, Following] = {}
        self.stopping = False
        self._due: queue.SimpleQueue[Stream] = queue.SimpleQueue()
        measures.streams.set_function(self.__len__)

    def __len__(self) -> int:
        return sum(len(one.streams) for one in self.following.values())

    def start(self) -> None:
        """Listen to wakes, and keep what is open alive."""
        self.wakes.start()
        threading.Thread(target=self._tend, name="streams", daemon=True).start()
        for number in range(CHECKERS):
            threading.Thread(target=self._check, name=f"streams-check-{number}", daemon=True).start()

    def stop(self) -> None:
        """Close all streams, and admit no more."""
        self.stopping = True
        for one in self.following.values():
            one.stop()
        self.wakes.stop()

    def admit(self, route: Route, person: str) -> None:
        """Make sure that somebody may open one more stream. Raises Unavailable, TooManyRequests."""
        if self.stopping or len(self) >= self.most:
            raise Unavailable("No more streams can be opened here just now. Try again.")
        if len(self._of(route).people.get(person, ())) >= PER_PERSON:
            raise TooManyRequests(f"You have {PER_PERSON} streams open here. Close one first.")

    def run(self, stream: Stream, first: Mapping[str, Any], outlet: Outlet) -> None:
        """Keep a stream open from the first answer of its service until either side ends it."""
        following = self._of(stream.route)
        stream.outlet = outlet
        following.add(stream)
        try:
            if self.stopping:
                return
            stream.send(_greeting(first["after"] if stream.position is None else None))
            # Where all have been told so far is known before this one asks, or something could fall in between.
            if following.begun.wait(QUESTION_SECONDS):
                following.catch_up(stream, first)
                outlet.wait()
        except Problem as fault:
            log.info("a stream was closed", extra={"fault": fault.detail})
        finally:
            following.remove(stream)
            stream.end()

    def _of(self, route: Route) -> Following:
        assert route.endless is not None
        # A new release of the service may have other endpoints for it.
        known = self.following.get(route)
        if known is None:
            known = self.following[route] = Following(route, route.endless, self.call, self.wakes)
        return known

    def _woken(self, service: str, kind: str, topics: list[str]) -> None:
        for one in self.following.values():
            if one.route.service == service:
                one.woken(kind, topics)

    def _bound(self) -> None:
        for one in self.following.values():
            one.nudged.set()

    # -- keeping them alive, and ending those who are not signed in any more

    def _tend(self) -> None:
        while not self.stopping:
            time.sleep(1.0)
            now, clock = time.monotonic(), time.time()
            for stream in [one for following in self.following.values() for one in following.streams]:
                if stream.until <= clock:
                    stream.end()
                    continue
                if now - stream.last >= HEARTBEAT_SECONDS:
                    stream.send(_HEARTBEAT)
                if now >= stream.check_at:
                    stream.check_at = now + CHECK_SECONDS
                    self._due.put(stream)

    def _check(self) -> None:
        while True:
            stream = self._due.get()
            try:
                stream.check()
            except AuthenticationRequired:
                stream.end()
            except Problem as fault:
                log.info("a stream cannot be checked", extra={"fault": fault.detail})
            except Exception:
                log.exception("a stream cannot be checked")


CHECKERS = 4
QUESTION_SECONDS = 5.0
_HEARTBEAT = b": still here\n\n"


def _event(event: str, item: Mapping[str, Any]) -> bytes:
    return f"event: {event}\nid: {item['id']}\ndata: {item['data']}\n\n".encode()


def _greeting(after: str | None) -> bytes:
    """The first block: for how long to stay away after it broke, and, who is new, from where to go on if nothing comes."""
    lines = [": welcome", f"retry: {random.randint(*AGAIN_MS)}"]
    return ("\n".join(lines + ([f"id: {after}"] if after else [])) + "\n\n").encode()


def _answer(status: int, body: bytes) -> dict[str, Any]:
    if status != 200:
        raise Unavailable(f"The service answered with the status {status}.")
    found: dict[str, Any] = json.loads(body)
    return found
