"""The service as an operator runs it, `bff serve`, in front of one slow system that answers everything."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bff.upstreams import UPSTREAMS

ROOT = Path(__file__).resolve().parents[2]
QUERY = "query Saved($code: String!) { configuration(shareCode: $code) { shareCode } }"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class SlowSystem:
    """Stands for every upstream: 404 to all, after `seconds` where the path names a share code. Not a simulated one."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = 0
        self.heads: list[bytes] = []
        self.url = ""
        self._arrival = asyncio.Condition()

    async def was_asked(self, times: int) -> None:
        """Wait until so many slow questions have come."""
        async with asyncio.timeout(20), self._arrival:
            await self._arrival.wait_for(lambda: self.asked >= times)

    async def pause(self) -> None:
        await asyncio.sleep(self.seconds)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/configurations" in head.split(b"\r\n")[0]:
                    self.asked += 1
                    self.heads.append(head)
                    async with self._arrival:
                        self._arrival.notify_all()
                    await self.pause()
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SlowSystem]:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


def production_environ(upstream: str, folder: Path) -> dict[str, str]:
    """What production needs to start, with one address for all upstreams."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BFF_PUBLIC_URL": "http://127.0.0.1",
        "BFF_OIDC_ISSUER": "https://login.example.com",
        "BFF_OIDC_JWKS_URL": f"{upstream}/keys",
        "BFF_DOCUMENTS_ONLY": "0",
        "BFF_RUN_DIR": str(folder / "run"),
        "BFF_DRAIN_SECONDS": "0.5",
        "BFF_ADMISSION_KEYS": "an-admission-key-of-these-tests-alone",
        "BFF_EVENTS_URL": "none",
        **{f"BFF_{name.upper()}_URL": upstream for name in UPSTREAMS},
    }


class Service:
    """A running `bff serve`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, management: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.management = f"http://127.0.0.1:{management}"
        self.log = log

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@asynccontextmanager
async def serving(system: SlowSystem, folder: Path, *, workers: int = 1, **extra: str) -> AsyncIterator[Service]:
    """Ready to serve; killed at the end if it is still there."""
    port, management, log = free_port(), free_port(), folder / "service.log"
    environ = {
        **production_environ(system.url, folder),
        "BFF_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BFF_MANAGEMENT_PORT": str(management),
        **extra,
    }
    command = [
        sys.executable,
        "-c",
        "from bff.cli import main; main()",
        "serve",
        "--port",
        str(port),
        "--workers",
        str(workers),
    ]
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, env=environ, cwd=ROOT, stdout=out, stderr=out)
    service = Service(process, port, management, log)
    try:
        await _until_ready(service, workers)
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_ready(service: Service, workers: int) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            assert service.process.returncode is None, service.log.read_text()
            try:
                ready = await client.get(f"{service.management}/health/ready")
                if ready.status_code == 200 and ready.json().get("workers", 1) >= workers:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"not ready in a minute: {service.log.read_text()}")


async def ask(client: httpx.AsyncClient, service: Service, code: str, **headers: str) -> httpx.Response:
    body = {"query": QUERY, "variables": {"code": code}}
    return await client.post(f"{service.url}/graphql", json=body, headers=headers)
