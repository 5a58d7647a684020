"""Loaded into a pytest run of graphql-core's own tests: `execute` and friends run on compiled plans from here on.

Tests that name an executor class of their own keep it. Deviations are strict expected failures: one that begins to pass
must be taken off the list.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import graphql.execution
import pytest

from bff.execution.executor import CompiledCoreExecutor, CompiledExecution, CompiledSubscription
from bff.execution.run import Run

# The function of the same name hides the module.
assert callable(graphql.execution.execute)
_execute = sys.modules["graphql.execution.execute"]
# The defaults that `execute` and `subscribe` look up.
_execute.IncrementalExecutor = CompiledCoreExecutor  # type: ignore[attr-defined]  # a name imported there
_execute.ExecutorThrowingOnIncremental = CompiledSubscription  # type: ignore[attr-defined]  # a name imported there

DEVIATIONS: dict[str, str] = runpy.run_path(str(Path(__file__).with_name("deviations.py")))["DEVIATIONS"]

runs = 0
_begin = Run.execute


def _counted(self: Run) -> Any:
    global runs
    runs += 1
    return _begin(self)


Run.execute = _counted  # type: ignore[method-assign]  # counted for the summary


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    left = dict(DEVIATIONS)
    for item in items:
        test = item.nodeid.split("[")[0]
        for deviation, reason in DEVIATIONS.items():
            file, name = deviation.split("::", 1)
            if item.path.name == file and test.endswith(f"::{name}"):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
                left.pop(deviation, None)
    if left:
        raise pytest.UsageError(f"Deviations that name no test: {sorted(left)}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    summary = {"compiled": runs, "fallbacks": CompiledExecution.fallbacks.as_dict()}
    Path(os.environ["CONFORMANCE_SUMMARY"]).write_text(json.dumps(summary))
