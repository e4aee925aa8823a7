"""The story of Ana, Ben, Chris and Dora goes as it is told to newcomers."""

import importlib.util
from pathlib import Path

import pytest

STORY = Path(__file__).parents[2] / "deploy" / "local" / "story.py"


@pytest.fixture
def story(monkeypatch, platform):
    """The program that `make story` runs; its people have another password here than on the machine's own stack."""
    monkeypatch.setenv("CG_MAIL_DIR", str(platform.mail))
    monkeypatch.setenv("CG_NOTIFICATIONS_MONGO_URI", platform.mongo_uris["notifications"])
    spec = importlib.util.spec_from_file_location("story", STORY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "password", lambda: "correct horse battery")
    return module


def test_the_story_goes_as_promised_and_can_be_told_again(story, http, capsys):
    for _ in range(2):
        story.tell(http.address)
        told = capsys.readouterr().out
        assert "Dora  hears it live: You may like Kittens and Bacon" in told
        assert "Dora  is in, at once" in told and "Eve  would need three, and stays first in line" in told
        assert "2 of 2 seats taken, 1 waiting" in told
        assert "Ben  thanks Chris" in told
        assert "Eve  reads “Your day with Common Ground”" in told
        assert told.rstrip().endswith("Eve  ends that with one click")
        assert "events.event.scheduled: " in told and "groups.member.joined: Ben" in told
