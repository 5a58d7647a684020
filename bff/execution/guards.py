"""Rights, decided before anything runs: which guarded fields of an operation this request's caller is refused.

A guard hangs on graphql-core's field (resolvers/rights.py). A shape knows the guards of its fields, so a request asks
each of them once, however many objects an answer has; the operation is then run as it is compiled without the refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bff.errors import BffError, NotAllowed
from resolvers.rights import Guard

Refused = frozenset[Guard]
NOTHING: Refused = frozenset()


class OperationRefused(NotAllowed):
    """The caller may not have a field of the operation, and the deployment refuses such operations as a whole."""

    def __init__(self, refusals: list[BffError]) -> None:
        super().__init__(refusals[0].message)
        self.refusals = refusals


def refused(guards: Iterable[Guard], context: Any) -> Refused:
    return frozenset([guard for guard in guards if guard.refusal(context) is not None])
