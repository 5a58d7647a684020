"""Random examples, compared with graphql-core; `fuzz` makes the same ones by the million."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.execution import fuzz
from tests.execution.compare import Different, compare


@pytest.fixture(autouse=True, scope="module")
def _unawaited_data_is_silent() -> Iterator[None]:
    """Faulty data leaves awaitables behind in both executors, collected whenever Python likes."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        gc.collect()  # here, where it is silent, and not in some test that follows
    sys.unraisablehook = hook


def _run(example: fuzz.Example, rnd: Random) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        asyncio.run(asyncio.wait_for(example(rnd), 10))


def relaxed(examples: int) -> settings:
    return settings(deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck), print_blob=True)


# Draws go through Hypothesis, so a difference is shrunk to a small schema and a small operation.
drawn = st.randoms(use_true_random=False, note_method_calls=False)


@relaxed(300)
@given(drawn)
def test_random_schemas_operations_data_and_faults_are_answered_as_by_graphql_core(rnd: Random) -> None:
    _run(fuzz.plain_example, rnd)


@relaxed(200)
@given(drawn)
def test_batch_fields_answer_as_the_same_fields_loaded_one_by_one(rnd: Random) -> None:
    _run(fuzz.batch_example, rnd)


def test_the_comparison_sees_differences() -> None:
    from graphql import ExecutionResult, GraphQLError

    one = ExecutionResult({"a": 1, "b": None}, [GraphQLError("x", path=["b"])])
    for other in (
        ExecutionResult({"b": None, "a": 1}, one.errors),
        ExecutionResult({"a": 2, "b": None}, one.errors),
        ExecutionResult({"a": 1, "b": None}, [GraphQLError("y", path=["b"])]),
        ExecutionResult({"a": 1, "b": None}, None),
    ):
        for ordered in (True, False):
            with pytest.raises(Different):
                compare(one, other, ordered=ordered)
    compare(one, one, ordered=True)
