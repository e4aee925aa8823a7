"""Plays the product's story over HTTP and prints it for people: `make story`, or `python deploy/local/story.py [URL]`.

The people of an earlier story are erased first, so it can be told again; those of the last one stay to be looked at.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

WASHINGTON = "38.9072,-77.0369"
PLACE = {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9072, "lon": -77.0369}}
BOTH = ["kittens", "bacon"]
SEARCH: dict[str, Any] = {"interest": BOTH, "near": WASHINGTON, "within_km": 50}
KITTENS_AND_BACON = {
    "name": "Kittens and Bacon",
    "interests": ["Kittens", "#Bacon"],
    "scope": "local",
    "place": PLACE,
    "summary": "Not either/or.",
}
PATIENCE_SECONDS = 15
MAIL_DIR = Path(os.environ.get("CG_MAIL_DIR", "no such folder"))
ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The API said no: `status` and the problem document."""

    def __init__(self, method: str, path: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{method} {path}: {status} {problem.get('title')}: {problem.get('detail')}")
        self.status, self.problem = status, problem


class Api:
    """Common Ground over HTTP, as one person or nobody."""

    def __init__(self, base: str, token: str | None = None) -> None:
        self.base, self.token = base, token

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Do a request; gives the JSON of the answer, or None. Raises Refused."""
        url = self.base + path + ("?" + urlencode(query, doseq=True) if query else "")
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                content = answer.read()
        except urllib.error.HTTPError as refusal:
            raise Refused(method, path, refusal.code, json.loads(refusal.read() or b"{}")) from None
        return json.loads(content) if content else None


class Character(Api):
    """One of the people of the story."""

    def __init__(self, base: str, name: str, handle: str, token: str) -> None:
        super().__init__(base, token)
        self.name, self.handle = name, handle


class Listening:
    """Somebody's stream, as their app holds it: what comes into their inbox from now on."""

    def __init__(self, someone: Character) -> None:
        headers = {"Authorization": f"Bearer {someone.token}", "Accept": "text/event-stream"}
        self.someone = someone
        self.lines = urllib.request.urlopen(
            urllib.request.Request(someone.base + "/v1/stream", headers=headers), timeout=PATIENCE_SECONDS
        )
        expect(self.lines.readline().startswith(b":"), f"{someone.name}'s stream does not open")

    def hear(self, kind: str) -> str:
        """The title of the next notice of a kind. Then the stream is closed."""
        with self.lines:
            for line in self.lines:
                notice = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if notice.get("kind") == kind:
                    return str(notice["title"])
        raise SystemExit(f"\nThe story broke: {self.someone.name}'s stream ended without {kind}")


def say(who: str, what: str) -> None:
    """One line of the story."""
    print(f"  {who:>6}  {what}", flush=True)


def chapter(title: str) -> None:
    """The next part of the story."""
    print(f"\n{title}\n", flush=True)


def expect(true: Any, otherwise: str) -> None:
    """Stop the story where the platform does not do what it promises."""
    if not true:
        raise SystemExit(f"\nThe story broke: {otherwise}")


def in_time(find: Callable[[], Any], what: str) -> Any:
    """What `find` gives as soon as it gives something true: messages need their milliseconds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := find()):
        expect(time.monotonic() < end, f"{what} did not happen within {PATIENCE_SECONDS} seconds")
        time.sleep(0.02)
    return found


class Newsletter:
    """Another system, with an address of its own at which messages are pushed to it. `heard` are those whose signature holds."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.secret = ""
        newsletter = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                genuine = newsletter.is_genuine(self.headers, body)
                if genuine:
                    newsletter.heard.append(json.loads(body))
                self.send_response(204 if genuine else 401)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Nothing: the story is told otherwise."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_genuine(self, headers: Any, body: bytes) -> bool:
        """Whether one of the signatures holds (Standard Webhooks)."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        holds = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        return any(hmac.compare_digest(holds, one) for one in headers["webhook-signature"].split())

    def close(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()


def password() -> str:
    """The password of the story's people on this machine: random, kept beside the local stack's other secrets."""
    path = Path(os.environ.get("CG_VAR") or ROOT / "var") / "secrets" / "story"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(16))
    return path.read_text()


def cast(base: str, name: str, secret: str, **profile: Any) -> Character:
    """Register somebody for the story; whoever is left of an earlier one is erased first."""
    nobody = Api(base)
    handle = name.lower()
    try:
        session = nobody("POST", "/v1/sessions", {"handle": handle, "password": secret})
        Api(base, session["access_token"])("DELETE", "/v1/me")
    except Refused as refusal:
        if refusal.status != 401:
            raise
    person = {"handle": handle, "display_name": name, "password": secret, **profile}
    try:
        nobody("POST", "/v1/people", person)
    except Refused as refusal:
        if refusal.problem.get("type") != "/problems/handle-taken":
            raise
        handle = f"{handle}_{secrets.token_hex(3)}"
        nobody("POST", "/v1/people", person | {"handle": handle})
    session = nobody("POST", "/v1/sessions", {"handle": handle, "password": secret})
    return Character(base, name, handle, session["access_token"])


class Story:
    """The story, chapter by chapter. Each raises Refused or SystemExit where it does not go as promised."""

    def __init__(self, base: str) -> None:
        chapter("Five people arrive")
        secret = password()
        self.begun = time.time()
        # Another one for each telling, since only so many codes are mailed to one address in an hour.
        self.address = f"eve.{secrets.token_hex(3)}@example.org"
        self.ana = cast(base, "Ana", secret, interests=BOTH, place=PLACE, background="science")
        self.ben = cast(base, "Ben", secret, interests=[*BOTH, "hockey"], place=PLACE, background="government")
        self.chris = cast(base, "Chris", secret, interests=BOTH, place=PLACE)
        self.dora = cast(base, "Dora", secret, interests=["kittens", "hockey"], place=PLACE, background="science")
        home = {"place": PLACE, "time_zone": "America/New_York"}
        self.eve = cast(base, "Eve", secret, interests=BOTH, email=self.address, **home)
        for someone in (self.ana, self.ben, self.chris, self.dora, self.eve):
            say(someone.name, f"registers as @{someone.handle} and signs in")
        self.group: dict[str, Any] = {}
        self.event: dict[str, Any] = {}

    def nobody_yet(self) -> None:
        """Dora waits for a group that does not exist; Ana looks for it too, and founds it."""
        chapter("Nobody yet")
        self.dora("POST", "/v1/watches", {"interests": BOTH, "near": WASHINGTON, "within_km": 50})
        say("Dora", "watches for kittens AND bacon near Washington, in case somebody founds that")
        found = self.ana("GET", "/v1/groups", **SEARCH)
        say("Ana", "looks for kittens AND bacon near Washington")
        expect(found["items"] == [], "a group for kittens AND bacon near Washington is there before anybody founded it")
        watchers = found["nobody_yet"]["watchers"]
        expect(watchers >= 1, "Dora's watch does not count")
        say("", f"nobody yet; others who are looking: {watchers}. So she founds it")
        self.group = self.ana("POST", "/v1/groups", KITTENS_AND_BACON)
        say("Ana", f"founds “{self.group['name']}” at /v1/groups/{self.group['slug']}")
        say("Dora", f"hears of it: {hear(self.dora, 'watch.matched', self.group['id'])}")

    def three_are_looking(self) -> None:
        """Demand that no group serves brings together those who have it."""
        chapter("Three are looking")
        # A set of its own for each telling, since a level of demand is told once.
        rare = ["bacon", f"kazoo no. {secrets.randbelow(1_000_000)}"]
        for someone in (self.ben, self.chris, self.dora):
            watch = someone("POST", "/v1/watches", {"interests": rare})
            say(someone.name, f"watches for {' AND '.join(rare)} (watchers: {watch['watchers']})")
        for someone in (self.ben, self.chris, self.dora):
            say(someone.name, f"hears: {hear(someone, 'demand.risen')}")

    def a_newsletter_listens(self) -> None:
        """Ana has what happens in her group pushed to another system."""
        chapter("A newsletter listens")
        self.newsletter = Newsletter()
        types = ["groups.member.*", "groups.promotion.*", "events.*"]
        wanted = {"url": self.newsletter.url, "types": types, "group": self.group["slug"]}
        try:
            webhook = self.ana("POST", "/v1/webhooks", wanted)
        except Refused as refusal:
            if refusal.status != 422:
                raise
            say("Ana", "would have it pushed to this machine, but this platform pushes to the open internet alone")
            return
        self.newsletter.secret = webhook["secret"]
        say("Ana", f"has {', '.join(types)} of her group pushed to {self.newsletter.url}, signed")

    def the_newsletter_knows(self) -> None:
        """What happened has been pushed, each message once, with a signature that holds."""
        chapter("The newsletter knows")
        if self.newsletter.secret:
            heard = self.newsletter.heard
            in_time(lambda: "events.rsvp.changed" in _kinds(heard), "pushing to the newsletter")
            expect(len({one["id"] for one in heard}) == len(heard), "the newsletter got a message twice")
            expect("groups.promotion.sent" not in _kinds(heard), "the newsletter learned who was reached")
            for one in heard:
                about = one["data"].get("person", one["data"].get("event", {}))
                say("", f"{_kind(one)}: {about.get('display_name') or about.get('title', '')}")
        self.newsletter.close()

    def they_find_each_other(self) -> None:
        """Ana promotes her group to exactly those who care; they find it and join."""
        chapter("They find each other")
        text = "We are new. Bring a kitten, or bacon."
        live = Listening(self.dora)
        say("Dora", "keeps a stream open, and waits")
        sent = self.ana("POST", f"/v1/groups/{self.group['slug']}/promotions", {"text": text})
        expect(sent["reach"] >= 3, f"the promotion does not reach Ben, Chris and Dora: {sent}")
        say("Ana", f"promotes the group; it reaches {sent['reach']} people who share an interest and live near")
        say("Dora", f"hears it live: {live.hear('promotion.sent')}")
        say("Ben", f"hears: {hear(self.ben, 'promotion.sent')}")
        for someone in (self.ben, self.chris):
            items = someone("GET", "/v1/groups", **SEARCH)["items"]
            expect(self.group["id"] in [one["id"] for one in items], f"{someone.name} does not find the group")
            match = next(one["match"] for one in items if one["id"] == self.group["id"])
            say(someone.name, f"looks for kittens AND bacon, and finds it, {match['distance_km']:.0f} km away")
        items = self.dora("GET", "/v1/groups", interest="kittens", match="any")["items"]
        expect(self.group["id"] in [one["id"] for one in items], "Dora does not find the group by kittens alone")
        say("Dora", "looks for kittens alone, with match=any, and finds it too")
        for someone in (self.ben, self.chris, self.dora, self.eve):
            joined = someone("POST", f"/v1/groups/{self.group['slug']}/members", {})
            say(someone.name, f"joins ({joined['status']})")
        heard = in_time(
            lambda: self.ana("GET", "/v1/inbox", kind="member.joined")["items"][3:], "Ana hearing of four new members"
        )
        say("Ana", f"hears of them: {heard[0]['title']}")

    def they_meet(self) -> None:
        """An event with two seats, and more who would come."""
        chapter("They meet")
        day = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
        event = {
            "title": "Brunch with whiskers",
            "starts_at": f"{day}T11:00",
            "ends_at": f"{day}T13:00",
            "time_zone": "America/New_York",
            "kind": "in_person",
            "venue": {"name": "The Purring Pan", "address": "1 Catnip Street NW"},
            "capacity": 2,
            "max_guests": 2,
        }
        self.event = event = self.ana("POST", f"/v1/groups/{self.group['slug']}/events", event)
        say("Ana", f"schedules “{event['title']}” on {event['starts_at_local']} with {event['capacity']} seats")
        for someone in (self.ben, self.chris, self.dora):
            say(someone.name, f"hears of it: {hear(someone, 'event.scheduled', event['id'])}")
        said = (
            (self.ben, 0, "going"),
            (self.chris, 0, "going"),
            (self.eve, 2, "waitlisted"),
            (self.dora, 0, "waitlisted"),
        )
        for someone, guests, status in said:
            rsvp = someone("PUT", f"/v1/events/{event['id']}/rsvps/me", {"answer": "going", "guests": guests})
            expect(rsvp["status"] == status, f"{someone.name} is {rsvp['status']} and not {status}")
            friends = f" with {guests} friends" if guests else ""
            place = f", number {rsvp['position']} in line" if rsvp["position"] else ""
            say(someone.name, f"says “I'm coming”{friends} and is {rsvp['status']}{place}")

    def a_seat_is_given_up(self) -> None:
        """The seat that Chris gives up is Dora's at once: Eve's party of three does not fit, and keeps its place."""
        chapter("A seat is given up")
        self.chris("PUT", f"/v1/events/{self.event['id']}/rsvps/me", {"answer": "not_going"})
        say("Chris", "cannot come after all, and gives his seat up")
        status = self.dora("GET", f"/v1/events/{self.event['id']}")["viewer"]["status"]
        expect(status == "going", f"Dora is {status} although a seat is free")
        say("Dora", "is in, at once: one seat is enough for her")
        say("", f"and her inbox says so: {hear(self.dora, 'rsvp.promoted', self.event['id'])}")
        line = self.eve("GET", f"/v1/events/{self.event['id']}")["viewer"]
        expect((line["status"], line["position"]) == ("waitlisted", 1), f"Eve has lost her place: {line}")
        say("Eve", "would need three, and stays first in line")
        seats = self.ana("GET", f"/v1/events/{self.event['id']}")
        expect((seats["seats_taken"], seats["waitlist_length"]) == (2, 1), f"the seats are wrong: {seats}")
        say("", f"{seats['seats_taken']} of {seats['capacity']} seats taken, {seats['waitlist_length']} waiting")

    def they_know_how_to_begin(self) -> None:
        """Ben and Dora opted in to icebreakers: each hears whom to meet, beyond what the group is about."""
        chapter("They know how to begin")
        for someone in (self.ben, self.dora):
            someone("PATCH", "/v1/me", {"icebreakers": True})
        for someone, other in ((self.ben, self.dora), (self.dora, self.ben)):
            found = self.icebreakers_of(someone)
            expect(found[0]["person"]["handle"] == other.handle, f"{someone.name} is to meet somebody else: {found}")
            expect(found[0]["shared"] == ["hockey"], f"it is not hockey that they share: {found}")
            say(someone.name, f"reads: {found[0]['opener']}")

    def icebreakers_of(self, someone: Character) -> list[dict[str, Any]]:
        """Whom somebody who is going is to meet, as soon as the event has heard who opted in."""
        asked = f"/v1/events/{self.event['id']}/icebreakers"
        found: list[dict[str, Any]] = in_time(lambda: someone("GET", asked)["items"], f"{someone.name}'s icebreaker")
        return found

    def they_meet_every_week(self) -> None:
        """A weekly series; one week it is moved, and who was coming is asked again; all of it in a calendar."""
        chapter("They meet every week")
        day = (datetime.now(UTC) + timedelta(days=8)).date().isoformat()
        walk = {
            "title": "Kittens' walk",
            "starts_at": f"{day}T19:00",
            "ends_at": f"{day}T20:00",
            "time_zone": "America/New_York",
            "recurrence": "FREQ=WEEKLY;COUNT=8",
        }
        series = self.ana("POST", f"/v1/groups/{self.group['slug']}/events", walk)
        weeks = series["occurrences"]
        expect(len(weeks) == 8, f"the series has {len(weeks)} weeks and not 8")
        clock = {one["starts_at_local"][-5:] for one in weeks}
        expect(clock == {"19:00"}, f"the series is not always at 19:00: {clock}")
        say("Ana", f"schedules “{walk['title']}”, eight weeks at 19:00, whatever the clocks do")
        say("Ben", f"hears of it, once: {hear(self.ben, 'event.scheduled', weeks[0]['id'])}")
        for week in weeks[:2]:
            self.ben("PUT", f"/v1/events/{week['id']}/rsvps/me", {"answer": "going"})
        say("Ben", "says “I'm coming” for the first two weeks")
        later = (datetime.fromisoformat(weeks[1]["starts_at_local"]) + timedelta(days=1)).date().isoformat()
        moved = {"starts_at": f"{later}T18:00", "ends_at": f"{later}T19:00"}
        self.ana("PATCH", f"/v1/events/{weeks[1]['id']}", moved)
        say("Ana", f"moves the second week to {later}, 18:00")
        say("Ben", f"hears of it: {hear(self.ben, 'event.changed', weeks[1]['id'])}")
        first, second = (self.ben("GET", f"/v1/events/{week['id']}")["viewer"] for week in weeks[:2])
        expect(first and second is None, f"Ben was to be asked again for the second week only: {first}, {second}")
        say("Ben", "is asked again for that week; his seat in the first one stays")
        self.ben("PUT", f"/v1/events/{weeks[1]['id']}/rsvps/me", {"answer": "going"})
        address = self.ben("POST", "/v1/me/calendar")["href"]
        calendar = read_text(self.ben.base + address)
        for week in weeks[:2]:
            day = week["starts_at_local"][:10].replace("-", "")
            expect(f"RECURRENCE-ID;TZID=America/New_York:{day}T190000" in calendar, "Ben's calendar lacks a week")
        expect(f":{later.replace('-', '')}T180000" in calendar, "Ben's calendar has the second week at its old time")
        say("Ben", "puts all he comes to into his phone, by a calendar address that only he knows")

    def they_help_each_other(self) -> None:
        """Ben asks too early, is told what is missing, comes to an event, and asks again; Chris offers."""
        chapter("They help each other")
        asks = f"/v1/groups/{self.group['slug']}/asks"
        need = {"title": "Who knows a good vet?", "kind": "advice"}
        self.ana("PATCH", f"/v1/groups/{self.group['slug']}", {"ask_after": {"days": 0, "events": 1}})
        say("Ana", "asks newcomers to come to one event before they ask for help")
        try:
            self.ben("POST", asks, need)
        except Refused as refusal:
            expect(refusal.problem.get("type") == "/problems/warm-up-needed", f"Ben is refused otherwise: {refusal}")
            say("Ben", f"asks “{need['title']}” and is told what is missing: {refusal.problem['remaining']}")
        else:
            expect(False, "Ben may ask although he has not been to an event")
        start = datetime.now(UTC) + timedelta(minutes=30)
        coffee = {
            "title": "Coffee, quickly",
            "starts_at": f"{start:%Y-%m-%dT%H:%M}",
            "ends_at": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}",
            "time_zone": "UTC",
        }
        event = self.ana("POST", f"/v1/groups/{self.group['slug']}/events", coffee)
        self.ana("POST", f"/v1/events/{event['id']}/check-ins", {"handle": self.ben.handle})
        say("Ben", f"comes to “{event['title']}”; Ana checks him in")
        ask = self.ben("POST", asks, need)
        say("Ben", "asks again, and the group hears it")
        say("Chris", f"hears: {hear(self.chris, 'ask.opened')}")
        self.chris("POST", f"/v1/asks/{ask['id']}/offers", {"body": "Mine purrs herself. I'll introduce you."})
        say("Chris", "offers help")
        say("Ben", f"hears: {hear(self.ben, 'offer.made')}")
        self.ben("PATCH", f"/v1/asks/{ask['id']}", {"status": "resolved", "thanked": [self.chris.handle]})
        say("Ben", "thanks Chris. See you there.")

    def she_reads_it_by_mail(self) -> None:
        """Eve proves her address, and gets by mail what she has not read, once a day."""
        chapter("Eve reads it by mail")
        if not MAIL_DIR.is_dir():
            say("", "there is no folder in which mail lands here, so this is left out")
            return
        code = in_time(lambda: code_for(self.address, self.begun), "the mail with Eve's code")
        say("Eve", f"gave {self.address} when she registered, and a code was mailed there: {code}")
        self.eve("POST", "/v1/me/email/verification", {"code": code})
        say("Eve", "types it in, and from now on her mail goes there")
        day = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
        yoga = {"title": "Kitten yoga", "starts_at": f"{day}T18:00", "ends_at": f"{day}T19:00", "time_zone": "UTC"}
        event = self.ana("POST", f"/v1/groups/{self.group['slug']}/events", yoga)
        hear(self.eve, "event.scheduled", event["id"])
        say("Ana", f"schedules “{event['title']}”. Of that Eve reads at 08:00 in New York")
        say("", f"which an operator need not wait for: {operate('digest', self.eve('GET', '/v1/me')['id'])}")
        mail = in_time(lambda: newest(self.address, self.begun, "Your day"), "Eve's digest")
        text = mail.get_body(("plain",)).get_content()
        expect(event["title"] in text, f"the digest does not tell of {event['title']}: {text}")
        say("Eve", f"reads “{mail['Subject']}”: {next(line for line in text.splitlines() if line.startswith('*'))[2:]}")
        link = str(mail["List-Unsubscribe"]).strip("<> ")
        end_with_one_click(link)
        email = self.eve("GET", "/v1/me/notices")["defaults"]["event.scheduled"]["email"]
        expect(email == "off", f"Eve's digest is not ended: {email}")
        say("Eve", "ends that with one click\n")


def mails_to(address: str, since: float) -> Iterator[EmailMessage]:
    """The mails to an address that landed in the folder since a time, the newest first."""
    for path in sorted(MAIL_DIR.glob("*.eml"), reverse=True):
        if path.stat().st_mtime >= since:
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["To"] == address:
                yield mail


def newest(address: str, since: float, subject: str) -> EmailMessage | None:
    """The newest mail to an address whose subject begins so."""
    return next((mail for mail in mails_to(address, since) if mail["Subject"].startswith(subject)), None)


def code_for(address: str, since: float) -> str | None:
    """The code that was mailed to an address last."""
    found = (re.match(r"\d{6}", mail["Subject"]) for mail in mails_to(address, since))
    return next((one[0] for one in found if one), None)


def operate(*command: str) -> str:
    """Run an operator's command of the notifications service; what it says."""
    program = [sys.executable, "-W", "ignore", "-m", "notifications", *command]
    env = {**os.environ, "CG_MONGO_URI": os.environ.get("CG_NOTIFICATIONS_MONGO_URI", "")}
    said = subprocess.run(program, env=env, capture_output=True, text=True)
    expect(said.returncode == 0, f"{' '.join(command)}: {said.stderr}")
    return said.stdout.strip()


def end_with_one_click(link: str) -> None:
    """Do what mail programs do (RFC 8058)."""
    with urllib.request.urlopen(link, b"List-Unsubscribe=One-Click", timeout=15) as answer:
        expect(answer.status == 200, f"the one click is answered with {answer.status}")


def _kind(message: dict[str, Any]) -> str:
    """The type of a message, short."""
    return str(message["type"]).removeprefix("commonground.").removesuffix(".v1")


def _kinds(messages: list[dict[str, Any]]) -> set[str]:
    return {_kind(one) for one in messages}


def read_text(url: str) -> str:
    """What stands at an address that needs no token, with iCalendar's folded lines joined."""
    with urllib.request.urlopen(url, timeout=15) as answer:
        return str(answer.read().decode().replace("\r\n ", ""))


def hear(someone: Character, kind: str, about: str | None = None) -> str:
    """The title of somebody's newest notice of a kind (about a subject), as soon as it is there."""

    def look() -> Any:
        notices = someone("GET", "/v1/inbox", kind=kind)["items"]
        return [one for one in notices if about in (None, one["subject"]["id"])]

    title: str = in_time(look, f"{someone.name} hearing of {kind}")[0]["title"]
    return title


def tell(base: str) -> None:
    """The whole story. Raises Refused or SystemExit where it does not go as promised."""
    story = Story(base)
    story.nobody_yet()
    story.three_are_looking()
    story.a_newsletter_listens()
    story.they_find_each_other()
    story.they_meet()
    story.a_seat_is_given_up()
    story.they_know_how_to_begin()
    story.the_newsletter_knows()
    story.they_meet_every_week()
    story.they_help_each_other()
    story.she_reads_it_by_mail()


def tell_with_another_system(base: str) -> None:
    """The story, and what another system heard of it where there can be one. Raises as `tell` does."""
    try:
        import newsletter  # here: to tell the story alone takes nothing but Python's own library
    except ImportError as missing:
        tell(base)
        say("", f"(Here a newsletter would print what it heard: {missing}.)")
        return
    told = False
    try:
        with newsletter.listening(os.environ) as another:
            tell(base)
            told = True
            chapter("Meanwhile a newsletter, a program in Node, heard what is public")
            for message in another.wait("Coffee, quickly"):
                say("", in_a_line(message))
    except newsletter.NotThere as reason:
        if not told:
            tell(base)
        say("", f"(Here a newsletter would print what it heard. {reason})")


def in_a_line(message: dict[str, Any]) -> str:
    """The type of a message, what it is about, and who."""
    data = message["data"]
    about = data.get("event", {}).get("title") or data.get("group", {}).get("name") or ""
    who = data.get("person", {}).get("display_name", "")
    return f"{message['type'].removeprefix('commonground.'):<28} {' · '.join(one for one in (about, who) if one)}"


def main() -> None:
    """Tell the story to the gateway named on the command line, in CG_HTTP, or at its usual place."""
    base = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CG_HTTP", "http://127.0.0.1:8000")
    try:
        tell_with_another_system(base.rstrip("/"))
    except Refused as refusal:
        raise SystemExit(f"\nThe story broke: {refusal}") from None
    except urllib.error.URLError as fault:
        raise SystemExit(f"Nothing answers at {base} ({fault.reason}). Run `make up` first.") from None


if __name__ == "__main__":
    main()
