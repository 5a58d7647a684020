"""Operations that nobody wrote: each is answered as graphql-core's own executor would, and no value breaks anything.

For longer than CI has: `RANDOM_OPERATIONS=20000 pytest tests/estate/test_random_operations.py`, from another seed each
time (`RANDOM_SEED`).
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
import pytest
from graphql import GraphQLSchema

from bff.execution import Plan
from tests.estate.house import OPERATIONS, Answer, House
from tests.estate.lies import LyingHouse
from tests.estate.real_operations import RealOperations, Shown

pytestmark = pytest.mark.anyio

FIRST = int(os.environ.get("RANDOM_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("RANDOM_OPERATIONS", "400")))
NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
PERSONAS = ["owner", "owner", "owner", "adviser", "guest", "head-unit", None]
ENDLESS = orjson.dumps({"caller": {"units": 10**12}, "anonymous": {"units": 10**12}}).decode()
CLIENTS = {"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "NOT_FOUND", "OPERATION_LIMIT_EXCEEDED"}
CALLERS = {"UNAUTHENTICATED", "FORBIDDEN", "STEP_UP_REQUIRED"}
SYSTEMS = {"UPSTREAM_CONTRACT_BROKEN", "UPSTREAM_UNAVAILABLE", "UPSTREAM_REJECTED", "UPSTREAM_BUSY", "OUTCOME_UNKNOWN"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00")

_by_graphql_core: ContextVar[bool] = ContextVar("by_graphql_core", default=False)


@pytest.fixture
async def open_house() -> AsyncIterator[House]:
    """Without an end to anybody's rate; time stands still."""
    house = House(today=NOW.date(), clock=lambda: NOW, BFF_RATE_LIMITS=ENDLESS)
    yield house
    await house.aclose()


@pytest.fixture
async def shown(open_house: House) -> Shown:
    return await shown_by(open_house)


async def shown_by(house: House) -> Shown:
    """What the examples show."""
    shown = Shown()
    for path in sorted(OPERATIONS.glob("*.graphql")):
        if "subscription" not in path.read_text():
            shown.note((await house.example(path.stem)).body.get("data"))
    return shown


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Plan.run

    async def either(plan: Plan, context: Any, variables: dict[str, Any] | None = None, root: Any = None) -> Any:
        if _by_graphql_core.get():
            return await plan._run_by_graphql_core("compared", context, variables, root)
        return await run(plan, context, variables, root)

    monkeypatch.setattr(Plan, "run", either)


def schema_of(house: House) -> GraphQLSchema:
    return house.app.plans.schema


async def asked(house: House, text: str, variables: dict[str, Any], seed: int) -> Answer:
    persona = PERSONAS[seed % len(PERSONAS)]
    headers = {"bff-act-for": "C0001"} if persona == "adviser" else {}
    return await house.ask(text, variables, persona=persona, headers=headers)


def told(answer: Answer) -> tuple[Any, list[str]]:
    """Data byte for byte, errors as a set; moments at which something was looked at are each executor's own."""
    data = _MOMENT.sub("a moment", orjson.dumps(answer.body.get("data")).decode())
    return data, sorted(orjson.dumps(error, option=orjson.OPT_SORT_KEYS).decode() for error in answer.errors)


async def test_answers_are_graphql_cores(open_house: House, shown: Shown, compared: None) -> None:
    """Rights, limits, batches, abstract types, fragments and conditions of the real schema, over the real adapters."""
    theirs = House(beside=open_house, clock=lambda: NOW, BFF_RATE_LIMITS=ENDLESS)
    answered = 0
    for seed in SEEDS:
        operations = RealOperations(Random(seed), schema_of(open_house), shown)
        text = operations.query()
        one = await asked(open_house, text, operations.variables, seed)
        token = _by_graphql_core.set(True)
        two = await asked(theirs, text, operations.variables, seed)
        _by_graphql_core.reset(token)
        assert told(one) == told(two), f"seed {seed}\n{text}\n{operations.variables}"
        answered += one.body.get("data") is not None
        shown.note(one.body.get("data"))
    assert answered > len(SEEDS) // 2
    assert theirs.app.plans.fallbacks["compared"] >= answered
    await theirs.aclose()


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_no_value_breaks_anything(open_house: House, shown: Shown, kind: str) -> None:
    """A value that cannot be is refused by us, in words for whoever sent it: no system behind us gets to refuse it."""
    seen: set[str] = set()
    for seed in SEEDS:
        operations = RealOperations(Random(seed), schema_of(open_house), shown, odd=0.2)
        text = operations.query() if kind == "query" else operations.mutation()
        answer = await asked(open_house, text, operations.variables, seed)
        codes = {error["extensions"]["code"] for error in answer.errors}
        assert codes <= CLIENTS | CALLERS, f"seed {seed}\n{text}\n{operations.variables}\n{answer.errors}"
        seen |= codes
    assert {"BAD_USER_INPUT", "FORBIDDEN"} <= seen


async def test_system_that_lies_is_named() -> None:
    """Whatever is wrong in a reply is the system's fault, said so, and never an error of ours or a wrong type."""
    rnd = Random(FIRST)
    seen: set[str] = set()
    lies = 0
    for start in range(0, len(SEEDS), 100):  # a new house now and then: its caches and breakers know nothing yet
        house = LyingHouse(rnd, BFF_RATE_LIMITS=ENDLESS)
        shown = await shown_by(house)
        house.share = 0.2
        for seed in SEEDS[start : start + 100]:
            operations = RealOperations(Random(seed), schema_of(house), shown)
            text = operations.mutation() if seed % 5 == 0 else operations.query()
            answer = await asked(house, text, operations.variables, seed)
            codes = {error["extensions"]["code"] for error in answer.errors}
            assert codes <= CLIENTS | CALLERS | SYSTEMS, f"seed {seed}\n{text}\n{operations.variables}\n{answer.errors}"
            seen |= codes
        lies += house.lies
        await house.aclose()
    assert lies > len(SEEDS) // 10
    assert "UPSTREAM_CONTRACT_BROKEN" in seen
