"""Plays the product's story over HTTP and prints it for people: `make story`, or `python deploy/local/story.py [URL]`.

The people of an earlier story are erased first, so it can be told again; those of the last one stay to be looked at.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

WASHINGTON = "38.9072,-77.0369"
PLACE = {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9072, "lon": -77.0369}}
PATIENCE_SECONDS = 10
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


def tell(base: str) -> None:
    """The story. Raises Refused or SystemExit where it does not go as promised."""
    chapter("Four people arrive")
    secret = password()
    both = ["kittens", "bacon"]
    ana = cast(base, "Ana", secret, interests=both, place=PLACE, background="science")
    ben = cast(base, "Ben", secret, interests=[*both, "hockey"], place=PLACE, background="government")
    chris = cast(base, "Chris", secret, interests=both, place=PLACE)
    dora = cast(base, "Dora", secret, interests=["kittens"], place=PLACE)
    for someone in (ana, ben, chris, dora):
        say(someone.name, f"registers as @{someone.handle} and signs in")

    chapter("Nobody yet")
    search = {"interest": both, "near": WASHINGTON, "within_km": 50}
    found = ana("GET", "/v1/groups", **search)
    say(ana.name, "looks for kittens AND bacon near Washington")
    expect(found["items"] == [], "a group for kittens AND bacon near Washington is there before anybody founded it")
    say("", f"nobody yet; {found['nobody_yet']['watchers']} others are looking. So she founds it")
    group = ana(
        "POST",
        "/v1/groups",
        {
            "name": "Kittens and Bacon",
            "interests": ["Kittens", "#Bacon"],
            "scope": "local",
            "place": PLACE,
            "summary": "Not either/or.",
        },
    )
    say(ana.name, f"founds “{group['name']}” at /v1/groups/{group['slug']}")

    chapter("They find each other")
    for someone in (ben, chris):
        items = someone("GET", "/v1/groups", **search)["items"]
        expect(group["id"] in [one["id"] for one in items], f"{someone.name} does not find the group")
        match = next(one["match"] for one in items if one["id"] == group["id"])
        say(someone.name, f"looks for kittens AND bacon, and finds it, {match['distance_km']:.0f} km away")
    items = dora("GET", "/v1/groups", interest="kittens", match="any")["items"]
    expect(group["id"] in [one["id"] for one in items], "Dora does not find the group by kittens alone")
    say(dora.name, "looks for kittens alone, with match=any, and finds it too")
    for someone in (ben, chris, dora):
        joined = someone("POST", f"/v1/groups/{group['slug']}/members", {})
        say(someone.name, f"joins ({joined['status']})")
    heard = in_time(
        lambda: ana("GET", "/v1/inbox", kind="member.joined")["items"][2:], "Ana hearing of three new members"
    )
    say(ana.name, f"hears of them: {heard[0]['title']}")

    chapter("They meet")
    day = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    event = ana(
        "POST",
        f"/v1/groups/{group['slug']}/events",
        {
            "title": "Brunch with whiskers",
            "starts_at": f"{day}T11:00",
            "ends_at": f"{day}T13:00",
            "time_zone": "America/New_York",
            "kind": "in_person",
            "venue": {"name": "The Purring Pan", "address": "1 Catnip Street NW"},
            "capacity": 2,
        },
    )
    say(ana.name, f"schedules “{event['title']}” on {event['starts_at_local']} with {event['capacity']} seats")

    def heard_by(someone: Character) -> list[Any]:
        notices = someone("GET", "/v1/inbox", kind="event.scheduled")["items"]
        return [one for one in notices if one["subject"]["id"] == event["id"]]

    for someone in (ben, chris, dora):
        notice = in_time(partial(heard_by, someone), f"{someone.name} hearing of the event")[0]
        say(someone.name, f"hears of it: {notice['title']}")
    answer_path = f"/v1/events/{event['id']}/rsvps/me"
    for someone, status in ((ben, "going"), (chris, "going"), (dora, "waitlisted")):
        rsvp = someone("PUT", answer_path, {"answer": "going"})
        expect(rsvp["status"] == status, f"{someone.name} is {rsvp['status']} and not {status}")
        place = f", first in line: {rsvp['position']}" if rsvp["position"] else ""
        say(someone.name, f"says “I'm coming” and is {rsvp['status']}{place}")

    chapter("A seat is given up")
    chris("PUT", answer_path, {"answer": "not_going"})
    say(chris.name, "cannot come after all, and gives his seat up")
    status = dora("GET", f"/v1/events/{event['id']}")["viewer"]["status"]
    expect(status == "going", f"Dora is {status} although a seat is free")
    say(dora.name, "is in, at once")
    notice = in_time(
        lambda: dora("GET", "/v1/inbox", kind="rsvp.promoted")["items"], "Dora hearing that she has a seat"
    )[0]
    say("", f"and her inbox says so: {notice['title']}")
    seats = ana("GET", f"/v1/events/{event['id']}")
    expect((seats["seats_taken"], seats["waitlist_length"]) == (2, 0), f"the seats are wrong: {seats}")
    say(
        "",
        f"{seats['seats_taken']} of {seats['capacity']} seats taken, {seats['waitlist_length']} waiting. See you there.\n",
    )


def main() -> None:
    """Tell the story to the gateway named on the command line, in CG_HTTP, or at its usual place."""
    base = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CG_HTTP", "http://127.0.0.1:8000")
    try:
        tell(base.rstrip("/"))
    except Refused as refusal:
        raise SystemExit(f"\nThe story broke: {refusal}") from None
    except urllib.error.URLError as fault:
        raise SystemExit(f"Nothing answers at {base} ({fault.reason}). Run `make up` first.") from None


if __name__ == "__main__":
    main()
