"""The gateways that are measured, ours first, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.lab import LAB, ROOT, Process, install_node_peers, install_tailcall

Start = Callable[[int, int], list[str | Path]]
"""From the gateway's port and the services' first port to a command."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """`core` peers are in every run; the others explain a figure and run when they are named."""

    title: str
    start: Start
    path: str = "/graphql"
    by_default: bool = True
    takes_token: bool = False


def _ours(*more: str) -> Start:
    def start(port: int, upstream: int) -> list[str | Path]:
        command = [sys.executable, "-m", "benchmarks.gateway", "--port", str(port), "--upstream-base", str(upstream)]
        return [*command, "--token-file", str(token_file(port)), *more]

    return start


def token_file(port: int) -> Path:
    return LAB / f"token-{port}"


def _uvicorn(app: str) -> Start:
    def start(port: int, upstream: int) -> list[str | Path]:
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
        return [*command, "--no-access-log", "--loop", "uvloop", "--http", "httptools"]

    return start


def _node(name: str) -> Start:
    def start(port: int, upstream: int) -> list[str | Path]:
        return [install_node_peers(), ROOT / "benchmarks" / "peers" / "node" / "gateway.mjs", name]

    return start


def _tailcall(*, dedupe: bool) -> Start:
    def start(port: int, upstream: int) -> list[str | Path]:
        binary = install_tailcall()
        text = (ROOT / "benchmarks" / "peers" / "tailcall.graphql").read_text()
        filled = {"PORT": str(port), "DEDUPE": str(dedupe).lower()}
        filled |= {f"UP{offset}": str(upstream + offset) for offset in range(5)}
        for name, value in filled.items():
            text = text.replace(f"@{name}@", value)
        LAB.mkdir(exist_ok=True)
        config = LAB / f"tailcall-{port}.graphql"
        config.write_text(text)
        return [binary, "start", config]

    return start


def environment(port: int, upstream: int) -> dict[str, str]:
    return {
        "PORT": str(port), "BENCH_UPSTREAM_BASE": str(upstream), "TAILCALL_TRACKER": "false", "TC_TRACKER": "false",
        "TAILCALL_LOG_LEVEL": "error", "TC_LOG_LEVEL": "error",
    }  # fmt: skip


GATEWAYS = {
    "ours": Gateway(title="**This gateway**", start=_ours(), takes_token=True),
    "ours-callers": Gateway(
        title="**This gateway**, each connection another customer", start=_ours("--callers", "50"), takes_token=True
    ),
    "by-hand": Gateway(title="Python by hand, no GraphQL, our engine", start=_uvicorn("benchmarks.peers.by_hand:app")),
    "tailcall": Gateway(title="Tailcall 1.6 (Rust)", start=_tailcall(dedupe=False)),
    "mercurius-jit": Gateway(title="Mercurius 16 + JIT", start=_node("mercurius-jit")),
    "mercurius": Gateway(title="Mercurius 16", start=_node("mercurius")),
    "apollo": Gateway(title="Apollo Server 5", start=_node("apollo"), path="/"),
    "yoga": Gateway(title="GraphQL Yoga 5", start=_node("yoga")),
    "strawberry": Gateway(title="Strawberry as documented", start=_uvicorn("benchmarks.peers.strawberry_app:app")),
    "ours-httpx": Gateway(
        title="This gateway over httpx", start=_ours("--engine", "httpx"), by_default=False, takes_token=True
    ),
    "tailcall-dedupe": Gateway(
        title="Tailcall 1.6, coalescing on", start=_tailcall(dedupe=True), by_default=False
    ),
}  # fmt: skip

BASELINE = "strawberry"


def launch(name: str, port: int, upstream: int, core: int, more: Sequence[str] = ()) -> Process:
    """`more` arguments are for our own. Raises NodeToolError or RuntimeError where it cannot be started."""
    gateway = GATEWAYS[name]
    process = Process(name, [*gateway.start(port, upstream), *more], core, environment(port, upstream))
    try:
        process.wait_for(port)
    except RuntimeError:
        process.stop()
        raise
    return process


def tokens_of(name: str, port: int) -> Path | None:
    """The file of the tokens that requests carry: our gateway checks a bearer token, as it always does."""
    return token_file(port) if GATEWAYS[name].takes_token else None


def headers_for(name: str, port: int) -> list[str]:
    """The same of one caller."""
    tokens = tokens_of(name, port)
    return [] if tokens is None else [f"authorization=Bearer {tokens.read_text().split()[0]}"]
