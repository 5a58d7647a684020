"""Look for an operation on which a plan and graphql-core differ: `python -m tests.execution.fuzz --seconds 3600`.

Every example is made from one number; a difference is printed with it, and `--seed N --count 1` shows it again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from tests.execution import generate_batches
from tests.execution.compare import Different, check
from tests.execution.generate_operation import Operations, random_variables
from tests.execution.generate_schema import random_world

Example = Callable[[Random], Coroutine[Any, Any, str]]


async def plain_example(rnd: Random) -> str:
    """One random schema, operation, world and set of variables."""
    world, schema = random_world(rnd)
    text = Operations(rnd, schema).document()
    variables = random_variables(rnd)
    root = schema.mutation_type if text.startswith("mutation") else schema.query_type
    assert root is not None
    roots = (world.node(Random(1), "root", root), world.node(Random(1), "root", root))
    try:
        return await check(schema, text, variables, roots, ({}, {}), ordered=not world.is_async)
    except Different as difference:
        raise Different(f"{difference}\n{text}\n{variables}\n{world.fault=} {world.is_async=}") from None


async def batch_example(rnd: Random) -> str:
    """The fixed schema with batch fields; graphql-core loads the same keys one by one."""
    graphql_schema = generate_batches.schema._schema
    text = Operations(rnd, graphql_schema).document()
    seed, fault = rnd.randrange(2**16), rnd.choice([0.0, 0.02, 0.1])
    contexts = (generate_batches.World(seed, fault), generate_batches.World(seed, fault))
    try:
        return await check(graphql_schema, text, random_variables(rnd), (None, None), contexts, ordered=False)
    except Different as difference:
        raise Different(f"{difference}\n{text}\n{fault=}") from None


async def example(rnd: Random) -> str:
    return await (batch_example if rnd.random() < 0.3 else plain_example)(rnd)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--stop-after", type=int, default=3)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 10**12
    # Faulty data leaves awaitables behind in both executors; Python mentions each when it collects it.
    warnings.simplefilter("ignore", RuntimeWarning)
    sys.unraisablehook = lambda _: None
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    while time.monotonic() - began < arguments.seconds and sum(outcomes.values()) != arguments.count:
        try:
            outcomes[asyncio.run(asyncio.wait_for(example(Random(seed)), 10))] += 1
        except Exception as difference:
            outcomes["different"] += 1
            sys.stdout.write(f"--- seed {seed}: {type(difference).__name__} {difference}\n")
            if outcomes["different"] >= arguments.stop_after:
                break
        seed += 1
    sys.stdout.write(f"{dict(outcomes)} {time.monotonic() - began:.0f} s, last seed {seed - 1}\n")
    raise SystemExit(1 if outcomes["different"] else 0)


if __name__ == "__main__":
    main()
