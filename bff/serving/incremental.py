"""Results in several payloads, in the three forms that clients read.

- `20220824`: `incremental: [{data, path, label}]`, what Apollo Client's and many others' readers were built for;
- current: `pending`, `incremental`, `completed`, as graphql-core and the incremental delivery proposal have it;
- one piece: everything merged, for a client that takes neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from graphql import ExecutionResult
from graphql.execution import ExperimentalIncrementalExecutionResults, IncrementalStreamResult

LEGACY_SPEC = "20220824"


async def current_form(results: ExperimentalIncrementalExecutionResults) -> AsyncIterator[dict[str, Any]]:
    """Payloads as graphql-core makes them."""
    yield dict(results.initial_result.formatted)
    async for payload in results.subsequent_results:
        yield dict(payload.formatted)


async def legacy_form(results: ExperimentalIncrementalExecutionResults) -> AsyncIterator[dict[str, Any]]:
    """Payloads with a path and a label in each part, and nothing pending."""
    places = _Places()
    initial = dict(results.initial_result.formatted)
    places.expect(initial.pop("pending", None))
    yield initial
    async for payload in results.subsequent_results:
        said: dict[str, Any] = dict(payload.formatted)
        places.expect(said.get("pending"))
        parts = [places.placed(part) for part in said.get("incremental") or ()]
        parts += [places.failed(part) for part in said.get("completed") or () if part.get("errors")]
        answer: dict[str, Any] = {"hasNext": said["hasNext"]}
        if parts:
            answer["incremental"] = parts
        if parts or not said["hasNext"]:
            yield answer


async def in_one_piece(results: ExperimentalIncrementalExecutionResults) -> ExecutionResult:
    """The result as it would have been without `@defer` and `@stream`."""
    places = _Places()
    first = results.initial_result
    places.expect([pending.formatted for pending in first.pending])
    data, errors = first.data, list(first.errors or ())
    async for payload in results.subsequent_results:
        places.expect([pending.formatted for pending in payload.pending or ()])
        for part in payload.incremental or ():
            target: Any = data
            for step in places.path(part.id, part.sub_path):
                target = target[step]
            if isinstance(part, IncrementalStreamResult):
                target.extend(part.items)
            else:
                _merge(target, part.data)
            errors += part.errors or ()
        for done in payload.completed or ():
            errors += done.errors or ()
    return ExecutionResult(data, errors or None, first.extensions)


def _merge(target: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value


class _Places:
    """Where the parts that are announced by id belong."""

    def __init__(self) -> None:
        self._pending: dict[str, Any] = {}

    def expect(self, pending: Any) -> None:
        for each in pending or ():
            self._pending[each["id"]] = each

    def path(self, part: str, below: list[str | int] | None) -> list[str | int]:
        return [*self._pending[part]["path"], *(below or ())]

    def placed(self, part: dict[str, Any]) -> dict[str, Any]:
        answer = {name: part[name] for name in ("data", "items", "errors", "extensions") if name in part}
        return answer | self._place(part["id"], part.get("subPath"))

    def failed(self, part: dict[str, Any]) -> dict[str, Any]:
        """A part that could not be made at all: null at its place, as its errors say."""
        return {"data": None, "errors": part["errors"]} | self._place(part["id"], None)

    def _place(self, part: str, below: list[str | int] | None) -> dict[str, Any]:
        label = self._pending[part].get("label")
        return {"path": self.path(part, below)} | ({"label": label} if label is not None else {})
