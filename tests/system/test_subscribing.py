"""docs/subscribing.md keeps its word: its programs, as they stand there, hear messages live and from the log."""

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chassis.connection import connect
from chassis.nodes import Process
from chassis.subscribers import Subscribers
from chassis.testing import process_starter
from commonground import ROOT, eventually

EXAMPLES = ROOT / "docs/examples"
GUIDE = (ROOT / "docs/subscribing.md").read_text()
LANGUAGES = ["python", "node"]


class Example:
    """The programs of the documentation in one language, with a subscriber's account of their own."""

    def __init__(self, language: str, folder: Path, address: str, start: Callable[..., Process]) -> None:
        self.language, self.folder, self.address, self._start = language, folder, address, start

    def run(self, program: str, *arguments: str) -> "Printing":
        """Start `listen` or `replay`, as the guide says it."""
        ending, interpreter = ("py", sys.executable) if self.language == "python" else ("js", "node")
        assert f"{self.language} {program}.{ending} " in GUIDE
        command = [interpreter, self.folder / f"{program}.{ending}", *arguments]
        return Printing(self._start(command, {"CG_AMQP_URI": self.address}))


class Printing:
    """A program that prints a line for each message."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def lines(self) -> list[str]:
        """The messages that were printed until now, whole lines only."""
        printed, _, _ = self.process.log.read_text().rpartition("\n")
        return [line for line in printed.splitlines() if not line.startswith("listening from")]

    def until(self, text: str) -> list[str]:
        """Wait until a line has this in it. Gives all lines up to it."""
        found = eventually(lambda: [one for one in self.lines() if text in one], f"printing {text}", 20)
        lines = self.lines()
        return lines[: lines.index(found[0]) + 1]


@pytest.fixture(scope="module")
def folders(npm):
    """Where the programs of each language are, ready to run."""
    return {"python": EXAMPLES / "python", "node": npm(EXAMPLES / "node")}


@pytest.fixture(params=LANGUAGES)
def example(request, platform, folders, tmp_path):
    """The programs in one language, with an account that goes with the test."""
    name = f"{request.param}-example"
    subscribers = Subscribers(platform.broker.uri, platform.broker.api)
    processes: list[Process] = []
    yield Example(request.param, folders[request.param], subscribers.add(name), process_starter(tmp_path, processes))
    for process in processes:
        process.kill()
    subscribers.revoke(name)


def consumers(platform, queue):
    """How many consume from a queue; none when it is not there."""
    connection = connect(platform.broker.uri, "test")
    try:
        return connection.channel().queue_declare(queue, passive=True).consumer_count
    except Exception:  # noqa: BLE001 - it is not there yet
        return 0
    finally:
        connection.collect()


def test_it_hears_live_what_it_bound_its_queue_to_and_misses_nothing_while_it_is_away(
    example, platform, person, subscribe
):
    queue = f"subscriber.{example.language}-example"
    everything = subscribe("groups.#")
    ana = person("ana")
    first = example.run("listen", "groups.group.*.v1", "events.event.scheduled.v1")
    eventually(lambda: consumers(platform, queue) == 1, "listening", 20)
    group = ana.founds()
    event = ana.schedules(group)
    lines = first.until(event["id"])
    told = [json.loads(one) for one in lines]
    (founded,) = [one.envelope for one in everything.about(group["id"]) if "founded" in one.envelope["type"]]
    assert founded in told
    assert {one["type"].removeprefix("commonground.") for one in told} == {
        "groups.group.founded.v1",
        "events.event.scheduled.v1",
    }
    first.process.kill()
    eventually(lambda: consumers(platform, queue) == 0, "being away")
    meanwhile = ana.founds()
    again = example.run("listen", "groups.group.*.v1", "events.event.scheduled.v1")
    again.until(meanwhile["id"])
    assert not [one for one in again.lines() if group["id"] in one and "founded" in one]


def test_it_replays_the_log_from_the_first_message_an_offset_and_a_time(example, person, subscribe):
    log = subscribe(log="commonground.public.log")
    ana = person("ana")
    before = ana.founds()
    log.about(before["id"], 2)
    heard_in = int(time.time())  # AMQP counts whole seconds
    eventually(lambda: int(time.time()) > heard_in, "another second", 3)
    then = datetime.now(UTC).replace(microsecond=0)
    after = ana.founds()
    founded, joined = log.about(after["id"], 2)
    offset = founded.headers["x-stream-offset"]
    replays = {
        one: example.run("replay", one) for one in ("first", str(offset), then.isoformat().replace("+00:00", "Z"))
    }
    whole, rest, since = (one.until(joined.envelope["id"]) for one in replays.values())
    parsed = [_parsed(one) for one in whole]
    assert [one for one, _ in parsed] == list(range(len(parsed)))
    assert [one["id"] for _, one in parsed] == [one.envelope["id"] for one in log.heard[: len(parsed)]]
    assert [_parsed(one)[0] for one in rest][:2] == [offset, offset + 1]
    assert before["id"] in str(whole) and before["id"] not in str(since)
    assert [one for one in since if after["id"] in one]


def _parsed(line):
    offset, _, body = line.partition("\t")
    return int(offset), json.loads(body)


@pytest.mark.parametrize("language", LANGUAGES)
def test_whoever_is_refused_reads_why(language, platform, folders, tmp_path):
    processes: list[Process] = []
    uri = re.sub(r"://[^@]+@", "://nobody:wrong@", platform.broker.uri)
    one = Example(language, folders[language], uri, process_starter(tmp_path, processes)).run("listen", "#")
    try:
        eventually(lambda: "ACCESS_REFUSED" in one.process.log.read_text(), "being refused", 20)
    finally:
        one.process.kill()


def test_no_lock_file_names_where_packages_come_from_and_each_has_its_hash():
    locks = [path for path in ROOT.rglob("package-lock.json") if not {"node_modules", "var", ".venv"} & set(path.parts)]
    assert len(locks) >= 2
    for path in locks:
        packages = {name: one for name, one in json.loads(path.read_text())["packages"].items() if name}
        assert packages and all("resolved" not in one and one["integrity"] for one in packages.values()), path
        assert "//registry" not in path.read_text()
