"""What outlives a killed process: memory shared by all that were forked from one.

On it are the time, how many points were passed and where, what the client remembers, and what was found in the end.
"""

from __future__ import annotations

import json
import mmap
import struct
from datetime import datetime, timedelta
from typing import Any

_NUMBERS = struct.Struct("qqq")
_PLACE, _MEMORY, _FOUND, _END = 64, 1024, 64 * 1024, 256 * 1024


class Board:
    def __init__(self, start: datetime) -> None:
        self.start = start
        self._shared = mmap.mmap(-1, _END)
        self.reset()

    def reset(self) -> None:
        self._numbers = (0, 0, 0)
        self.place, self.memory, self.found = "", {}, None

    # ── the time of all: service, systems, client ────────────────────────────────────────────────────────────────────

    def now(self) -> datetime:
        return self.start + timedelta(milliseconds=self._numbers[0])

    def pass_by(self, **duration: float) -> None:
        milliseconds = round(timedelta(**duration).total_seconds() * 1000)
        self._numbers = (self._numbers[0] + milliseconds, *self._numbers[1:])

    # ── how far it came ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def points(self) -> int:
        return self._numbers[1]

    @points.setter
    def points(self, passed: int) -> None:
        self._numbers = (self._numbers[0], passed, self._numbers[2])

    @property
    def step(self) -> int:
        """The step that the client has begun last, or, after all of them, their number."""
        return self._numbers[2]

    @step.setter
    def step(self, step: int) -> None:
        self._numbers = (*self._numbers[:2], step)

    @property
    def place(self) -> str:
        """What the last point was."""
        return str(self._read(_PLACE, _MEMORY))

    @place.setter
    def place(self, place: str) -> None:
        self._write(_PLACE, _MEMORY, place[:200])

    @property
    def memory(self) -> dict[str, Any]:
        """What the client knows: ids and amounts that it was told."""
        memory: dict[str, Any] = self._read(_MEMORY, _FOUND)
        return memory

    @memory.setter
    def memory(self, memory: dict[str, Any]) -> None:
        self._write(_MEMORY, _FOUND, memory)

    @property
    def found(self) -> Any:
        return self._read(_FOUND, _END)

    @found.setter
    def found(self, found: Any) -> None:
        self._write(_FOUND, _END, found)

    # ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _numbers(self) -> tuple[int, int, int]:
        offset, points, step = _NUMBERS.unpack_from(self._shared)
        return offset, points, step

    @_numbers.setter
    def _numbers(self, numbers: tuple[int, int, int]) -> None:
        _NUMBERS.pack_into(self._shared, 0, *numbers)

    def _read(self, begin: int, end: int) -> Any:
        (length,) = struct.unpack_from("i", self._shared, begin)
        return json.loads(self._shared[begin + 4 : begin + 4 + length])

    def _write(self, begin: int, end: int, what: Any) -> None:
        said = json.dumps(what).encode()
        assert len(said) + 4 <= end - begin, f"no room for {len(said)} bytes"
        struct.pack_into("i", self._shared, begin, len(said))
        self._shared[begin + 4 : begin + 4 + len(said)] = said
