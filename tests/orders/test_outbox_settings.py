"""Settings about events: every one that is wrong is named, in words that say what to do."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bff.eventing import SANDBOX_KEY, EventSettings, read_event_settings

KEY = "2026a:" + base64.b64encode(b"k" * 32).decode()


def read(production: bool = True, **env: str) -> tuple[EventSettings, list[str]]:
    problems: list[str] = []
    given = {"BFF_PSEUDONYM_KEY": KEY} | env
    return read_event_settings(given, production=production, problems=problems), problems


def test_in_production_events_lie_beside_the_state() -> None:
    settings, problems = read(STATE_DIRECTORY="/var/lib/bff:/elsewhere")
    assert problems == []
    assert (settings.file, settings.nats) == (Path("/var/lib/bff/events.jsonl"), None)
    assert read(XDG_STATE_HOME="/home/me/state")[0].file == Path("/home/me/state/bff/events.jsonl")
    assert (settings.source, settings.pseudonym_name, settings.pseudonym_key) == ("/bff", "2026a", b"k" * 32)


def test_in_development_they_can_be_followed_in_the_cache_folder() -> None:
    problems: list[str] = []
    settings = read_event_settings({}, production=False, problems=problems)
    assert problems == []
    assert settings.file == Path.cwd() / ".cache" / "events.jsonl"
    assert len(settings.pseudonym_key) == 32


@pytest.mark.parametrize(
    ("url", "nats"),
    [
        ("nats://nats.example.com:4222/CARS", (("nats://nats.example.com:4222",), "CARS")),
        ("nats://127.0.0.1:4222", (("nats://127.0.0.1:4222",), "BFF_EVENTS")),
        ("tls://me:secret@a:4222,b/X-1", (("tls://me:secret@a:4222", "tls://b"), "X-1")),
    ],
)
def test_a_stream_of_nats(url: str, nats: object) -> None:
    settings, problems = read(BFF_EVENTS_URL=url)
    assert problems == []
    assert (settings.file, settings.nats) == (None, nats)


def test_a_file_may_have_blanks() -> None:
    assert read(BFF_EVENTS_URL="file:///var/lib/my%20bff/e.jsonl")[0].file == Path("/var/lib/my bff/e.jsonl")


def test_without_events_no_key_is_needed() -> None:
    problems: list[str] = []
    settings = read_event_settings({"BFF_EVENTS_URL": "none"}, production=True, problems=problems)
    assert (problems, settings.file, settings.nats) == ([], None, None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka://broker", "begins with file:///, nats:// or tls://, or is none; not 'kafka'"),
        ("/var/lib/events", "begins with file:///"),
        ("file://events.jsonl", "three slashes"),
        ("file:///", "three slashes"),
        ("file:///var/lib/", "three slashes"),
        ("nats://", "names a server"),
        ("nats:///STREAM", "names a server"),
        ("nats://host:port/S", "names a server"),
        ("nats://host/a.b", "ends with the name of a stream"),
        ("nats://host/a/b", "ends with the name of a stream"),
    ],
)
def test_an_address_that_is_none_is_named(url: str, says: str) -> None:
    _, problems = read(BFF_EVENTS_URL=url)
    assert len(problems) == 1
    assert problems[0].startswith("BFF_EVENTS_URL")
    assert says in problems[0]


@pytest.mark.parametrize(
    "key", ["", "secret", "2026a:c2hvcnQ=", "UPPER:" + KEY.partition(":")[2], "2026a:%%%", SANDBOX_KEY]
)
def test_a_key_of_pseudonyms_that_is_weak_or_known_stops_the_start(key: str) -> None:
    _, problems = read(BFF_PSEUDONYM_KEY=key)
    assert len(problems) == 1
    assert problems[0].startswith("BFF_PSEUDONYM_KEY")


def test_a_missing_key_is_named_in_production_only() -> None:
    problems: list[str] = []
    read_event_settings({}, production=True, problems=problems)
    assert [problem.partition(" ")[0] for problem in problems] == ["BFF_PSEUDONYM_KEY"]


def test_a_source_is_a_uri_reference() -> None:
    assert read(BFF_EVENTS_SOURCE="https://api.example.com/bff/")[0].source == "https://api.example.com/bff"
    assert read(BFF_EVENTS_SOURCE="my bff")[1] != []
