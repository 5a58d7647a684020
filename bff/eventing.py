"""Settings about events: where they are sent, under which source, and the key of pseudonyms."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

SANDBOX_KEY = "dev:c2FuZGJveC1zYW5kYm94LXNhbmRib3gtc2FuZGJveC0="
DEFAULT_STREAM = "BFF_EVENTS"

_KEY_NAME = re.compile(r"[a-z0-9-]{1,16}")
_STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class EventSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One of `file` and `nats` (servers, name of the stream) is set, or neither: events are then not kept."""

    file: Path | None
    nats: tuple[tuple[str, ...], str] | None
    source: str
    pseudonym_name: str
    pseudonym_key: bytes


def read_event_settings(env: Mapping[str, str], *, production: bool, problems: list[str]) -> EventSettings:
    """Adds to `problems` a sentence for each variable that is wrong."""
    said = env.get("BFF_EVENTS_URL") or _default_url(env, production=production)
    scheme, separator, rest = said.partition("://")
    file, nats = None, None
    if separator and scheme == "file":
        file = _file(said, problems)
    elif separator and scheme in ("nats", "tls"):
        nats = _nats(scheme, rest, problems)
    elif said != "none":
        problems.append(f"BFF_EVENTS_URL begins with file:///, nats:// or tls://, or is none; not {scheme!r}.")
    name, key = _pseudonyms(env, production=production and said != "none", problems=problems)
    source = env.get("BFF_EVENTS_SOURCE", "/bff").rstrip("/")
    if not source or not source.isascii() or not source.isprintable() or " " in source:
        problems.append("BFF_EVENTS_SOURCE is a URI or a path, as in /bff or https://api.example.com/bff.")
    return EventSettings(file=file, nats=nats, source=source, pseudonym_name=name, pseudonym_key=key)


def _default_url(env: Mapping[str, str], *, production: bool) -> str:
    """Beside the state in production; where a developer can follow it in development."""
    home = env.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = env.get("STATE_DIRECTORY", "").partition(":")[0] or f"{home}/bff"
    return (Path(folder) if production else Path.cwd() / ".cache").joinpath("events.jsonl").as_uri()


def _file(said: str, problems: list[str]) -> Path | None:
    parts = urlsplit(said)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or path in ("", "/") or path.endswith("/"):
        problems.append("BFF_EVENTS_URL names a file with three slashes: file:///var/lib/bff/events.jsonl.")
        return None
    return Path(path)


def _nats(scheme: str, rest: str, problems: list[str]) -> tuple[tuple[str, ...], str] | None:
    """`user:password@a:4222,b:4222/STREAM`: several servers of one cluster are separated by commas."""
    hosts, _, stream = rest.partition("/")
    stream = stream or DEFAULT_STREAM
    servers = tuple(f"{scheme}://{host}" for host in hosts.split(",") if host)
    if not servers or not all(_is_server(server) for server in servers):
        problems.append("BFF_EVENTS_URL names a server: nats://nats.example.com:4222/BFF_EVENTS.")
    if not _STREAM_NAME.fullmatch(stream):
        problems.append("BFF_EVENTS_URL ends with the name of a stream: letters, digits, - and _.")
    if find_spec("nats") is None:
        problems.append("BFF_EVENTS_URL: NATS needs the package nats-py (the extra `nats`).")
    return servers, stream


def _is_server(server: str) -> bool:
    parts = urlsplit(server)
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _pseudonyms(env: Mapping[str, str], *, production: bool, problems: list[str]) -> tuple[str, bytes]:
    said = env.get("BFF_PSEUDONYM_KEY")
    if said is None and production:
        problems.append(
            "BFF_PSEUDONYM_KEY is missing: a name, a colon, and 32 random bytes in base64, as in"
            " 2026a:$(head -c 32 /dev/urandom | base64)."
        )
    if production and said == SANDBOX_KEY:
        problems.append("BFF_PSEUDONYM_KEY is the one of development, which everybody knows.")
    name, _, encoded = (SANDBOX_KEY if said is None else said).partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not _KEY_NAME.fullmatch(name) or len(key) < 32:
        problems.append("BFF_PSEUDONYM_KEY is a name (a-z, 0-9, -), a colon, and at least 32 bytes in base64.")
    return name, key
