"""Where the measuring is done: what is installed on demand, processes on their cores, and what they used.

Node comes from PyPI, the peers' packages from npm (locked), Tailcall's binary with them. Everything written goes to
`.bench/` beside the repository's other build output; nothing outside the repository is touched.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tools.nodejs import NodeToolError, ensure_npm, node_binary, say

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / ".bench"
NODE = ROOT / "benchmarks" / "peers" / "node"
START_SECONDS = 30.0


def install_node_peers() -> Path:
    """The node binary, with the peers' packages installed. Raises NodeToolError where that cannot be had."""
    ensure_npm(NODE)
    return node_binary()


def install_tailcall() -> Path:
    """Tailcall's binary, from npm or from BENCH_TAILCALL. Raises NodeToolError where it does not run here."""
    given = os.environ.get("BENCH_TAILCALL")
    if given is None:
        ensure_npm(NODE)
        packed = NODE / "node_modules" / "@tailcallhq" / "core-linux-x64-gnu" / "bin" / "tailcall"
        LAB.mkdir(exist_ok=True)
        binary = LAB / "tailcall"
        if not binary.exists():
            shutil.copy(packed, binary)
            binary.chmod(0o755)
    else:
        binary = Path(given)
    tried = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise NodeToolError(
            f"Tailcall does not run here ({tried.stderr.strip()[:200]}); name one that does with BENCH_TAILCALL"
        )
    return binary


class Process:
    """A program on one core, ended with its children when the lab closes. Its output goes to `.bench/NAME.log`.

    `core` None leaves it all that we may use.
    """

    def __init__(self, name: str, command: Sequence[str | Path], core: int | None, environ: Mapping[str, str]) -> None:
        cores = os.sched_getaffinity(0) if core is None else {core}
        LAB.mkdir(exist_ok=True)
        self.name = name
        self._log = LAB / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "NODE_ENV": "production", **environ},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def wait_for(self, port: int) -> None:
        """Until it listens. Raises RuntimeError with its last words if it ends before."""
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                break
            if is_listening(port):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()[-1500:]}")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 15)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()

    def workers(self) -> list[int]:
        """The ids of those who serve: its children, or itself where it has none."""
        return _children().get(self._process.pid) or [self._process.pid]

    def cpu_seconds(self) -> float:
        """Of all threads of the process and its children, from the scheduler's own count."""
        spent = 0
        for pid in _tree(self._process.pid):
            with suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    spent += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
        return spent / 1e9

    def memory_mb(self) -> float:
        """Proportional set size: pages shared with others count in part."""
        total = 0
        for pid in _tree(self._process.pid):
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            parent = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1]
            children.setdefault(int(parent), []).append(int(name))
    return children


def _tree(root: int) -> Iterator[int]:
    children, queue = _children(), [root]
    while queue:
        pid = queue.pop()
        yield pid
        queue += children.get(pid, [])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def stopping(processes: list[Process]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in reversed(processes):
            process.stop()


def ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """One request, POST where there is a body, on a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        said = {"content-type": "application/json", "accept": "application/json", **(headers or {})}
        connection.request("GET" if body is None else "POST", target, body, said)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def load(url: str, body: Path, tokens: Path | None, connections: int, seconds: float, core: int) -> dict[str, Any]:
    """Run `benchmarks.load` on that core and read its result."""
    command = [sys.executable, "-m", "benchmarks.load", "--url", url, "--body", str(body)]
    command += ["--connections", str(connections), "--seconds", str(seconds), "--core", str(core)]
    if tokens is not None:
        command += ["--tokens", str(tokens)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load failed:\n{done.stderr[-1500:]}")
    result: dict[str, Any] = orjson.loads(done.stdout)
    return result


__all__ = ["LAB", "ROOT", "NodeToolError", "Process", "ask", "install_node_peers", "install_tailcall", "load", "say",
           "stopping"]  # fmt: skip
