"""A process of its own that asks the shop, and may die at a numbered point: `python -m tests.durability.worker JSON`.

Points are: before each statement of a script, before its commit, after it, before and after the upstream's work.
Prints how many points it passed, and the bytes of its answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep, time
from typing import Any, TypeVar

from bff.durability.database import Database, Script
from bff.durability.open import open_database
from tests.durability.shop import Clock, Shop, Upstream

T = TypeVar("T")


class Points:
    def __init__(self, fatal: int | None) -> None:
        self.fatal = fatal
        self.passed = 0

    def __call__(self) -> None:
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


class Mortal:
    """A database whose process may die between any two of its steps."""

    def __init__(self, inner: Database, point: Points) -> None:
        self._inner = inner
        self._point = point

    async def run(self, script: Callable[[], Script[T]], *, write: bool = True) -> T:
        result = await self._inner.run(lambda: self._watched(script()), write=write)
        self._point()
        return result

    def _watched(self, script: Script[T]) -> Script[T]:
        try:
            statement = next(script)
            while True:
                self._point()
                statement = script.send((yield statement))
        except StopIteration as end:
            self._point()
            result: T = end.value
            return result

    async def aclose(self) -> None:
        await self._inner.aclose()


def main(go: str | None, **given: Any) -> None:
    clock: Callable[[], float] = Clock()
    if go is not None:
        clock = time
        tell("ready")
        while not Path(go).exists():
            sleep(0.005)
    asyncio.run(work(clock=clock, **given))


async def work(
    state_url: str, upstream: str, key: str, together: int, fatal: int | None, clock: Callable[[], float]
) -> None:
    points = Points(fatal)
    database = Mortal(open_database(state_url), points)
    shop = Shop(database, Upstream(Path(upstream), points), clock)
    answers = await shop.together(together, key)
    passed = points.passed
    await database.aclose()
    tell(json.dumps({"points": passed, "answers": [answer.decode() for answer in answers]}))


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
