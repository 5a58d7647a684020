"""A TCP proxy that breaks what passes through it: it knows nothing of HTTP and shares no code with either side."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from enum import StrEnum


class Break(StrEnum):
    NOTHING = "NOTHING"
    LATE = "LATE"
    """The reply begins after 300 ms."""
    RESET = "RESET"
    """The connection is reset where the reply would begin."""
    HALF = "HALF"
    """Half of the reply's first bytes, then the end."""
    HALF_THEN_RESET = "HALF_THEN_RESET"
    DRIBBLE = "DRIBBLE"
    """A byte every 20 ms."""
    SILENCE = "SILENCE"
    """The request is swallowed."""
    GARBAGE = "GARBAGE"
    HANG_UP = "HANG_UP"
    """The connection is closed as soon as it was made."""


class Injector:
    """Between us and `target` (host, port), on a port of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.breaks = Break.NOTHING
        self.open = self.most_open = self.accepted = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Its address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End every connection that is open."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._carry(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.breaks is Break.HANG_UP:
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        there = asyncio.create_task(_forward(reader, far_writer))
        try:
            while data := await far_reader.read(65_536):
                if not await self._back(data, writer):
                    return
        finally:
            there.cancel()
            far_writer.close()

    async def _back(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Pass the reply's bytes on, each break in its way; False: the connection is over."""
        match self.breaks:
            case Break.RESET:
                _reset(writer)
                return False
            case Break.HALF | Break.HALF_THEN_RESET:
                writer.write(data[: len(data) // 2])
                await writer.drain()
                if self.breaks is Break.HALF_THEN_RESET:
                    _reset(writer)
                return False
            case Break.SILENCE:
                return True
            case Break.GARBAGE:
                writer.write(b"\x16\x03\x01\x00\xa5" + bytes(range(256)))
                await writer.drain()
                return False
            case Break.DRIBBLE:
                for byte in data:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.02)
                return True
            case Break.LATE:
                await asyncio.sleep(0.3)
        writer.write(data)
        await writer.drain()
        return True


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN: whatever was not read yet is lost, as with a machine that was switched off."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
