"""Admitted operations: plans whose document is within limits and whose price is known.

A document is scanned, parsed, measured, validated, priced and compiled once; after that it is found by its text. A
trusted document was measured when its manifest was built and skips what is static. Refusals are not kept: they cost
little by construction (tests/operations/test_attacks.py holds them to it).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)

from bff.execution import InvalidOperation, Plan, Plans
from bff.execution.plans import find_operation
from bff.operations.cost import Amount, Price, PriceList
from bff.operations.documents import TrustedDocuments
from bff.operations.refusals import limit_exceeded
from bff.operations.scan import check_text
from bff.operations.structure import check_structure
from bff.profiles import Limits, Profile
from resolvers.cost import cost_table

if TYPE_CHECKING:
    import strawberry

log = logging.getLogger("bff.operations")

AHEAD_SECONDS, AHEAD_PLANS = 3.0, 500
"""How long a start may take for trusted documents, and for how many: a screen compiles in 10 ms."""
NO_VARIABLES: Mapping[str, Any] = {}


class AdmittedPlan(Plan):
    """A plan that was admitted, and its price."""

    price: Price

    def amount(self, variables: Mapping[str, Any] | None) -> Amount:
        """What it costs with these variables, as they were sent. Raises InvalidOperation for too long a list."""
        return self.price.fixed if self.price.is_constant else self.price.amount(variables or NO_VARIABLES)


class AdmittedPlans(Plans):
    """In place of `Plans`: the same look-up, with everything that a stranger's document has to pass."""

    def __init__(self, schema: strawberry.Schema | GraphQLSchema, profile: Profile, **rest: Any) -> None:
        super().__init__(schema, **rest)
        self.profile = profile
        self.prices = PriceList(self.schema, cost_table(self.schema), list_size=profile.limits.list_size)
        self._is_trusting = False

    def knows(self, document: str, operation_name: str | None) -> bool:
        return (document, operation_name) in self._plans

    def plan(self, document: str | DocumentNode, operation_name: str | None = None) -> Plan:
        if isinstance(document, str) and not self._is_trusting and (document, operation_name) not in self._plans:
            check_text(document, self.profile.limits)
        return super().plan(document, operation_name)

    def trust(self, document: str, operation_name: str | None = None) -> Plan:
        """The plan of a trusted document: what is static was checked when its manifest was built."""
        self._is_trusting = True
        try:
            return super().plan(document, operation_name)
        finally:
            self._is_trusting = False

    def compile(self, document: DocumentNode, operation_name: str | None = None) -> Plan:
        """Measure, validate, price, compile; without the cache."""
        if not self._is_trusting:
            check_structure(document, self.profile.limits, introspection=self.profile.introspection)
        if errors := validate(self.schema, document, hide_suggestions=not self.profile.suggestions):
            raise InvalidOperation(errors)
        operation = find_operation(document, operation_name)
        kind = operation.operation
        if kind is not OperationType.QUERY and self.schema.get_root_type(kind) is None:
            raise InvalidOperation(
                [GraphQLError(f"Schema is not configured to execute {kind.value} operation.", operation)]
            )
        price = self.prices.price(document, operation)
        if price.is_constant:
            check_cost(price.fixed, self.profile.limits)
        plan = self.made(AdmittedPlan, document, operation)
        plan.price = price
        return plan


def chosen_operation(document: str, asked: str) -> str | None:
    """Which operation of a trusted document is asked for; None for its only one, so that it has one plan.

    A name that is not there is refused here: finding it out by compiling would cost as much for each wrong name.
    """
    names = _operation_names(document)
    if names and asked not in names:
        raise InvalidOperation([GraphQLError(f"Unknown operation named '{asked}'.")])
    return asked if len(names) != 1 else None


@lru_cache(maxsize=2000)
def _operation_names(document: str) -> tuple[str, ...]:
    """Empty where the document cannot be parsed: compiling it will say why."""
    try:
        definitions = parse(document).definitions
    except GraphQLError:
        return ()
    operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
    return tuple(each.name.value if each.name else "" for each in operations)


def compile_ahead(
    plans: AdmittedPlans, documents: TrustedDocuments, *, seconds: float = AHEAD_SECONDS, most: int = AHEAD_PLANS
) -> int:
    """Compile trusted documents before the first request; the rest is compiled when it is asked for. How many are.

    One that does not fit the schema any more is logged and refused when it is asked for: others go on working.
    """
    until, done = monotonic() + seconds, 0
    for document in islice(documents, most):
        if monotonic() > until:
            break
        try:
            plans.trust(document.text)
            done += 1
        except InvalidOperation as invalid:
            log.error("The trusted document %s cannot be run: %s", document.name or document.text[:40], invalid)
    return done


def check_cost(amount: Amount, limits: Limits) -> None:
    """Raises InvalidOperation OPERATION_LIMIT_EXCEEDED, `limit: "cost"`."""
    if amount.total > limits.cost:
        found = round(amount.total, 2)
        raise limit_exceeded(
            "cost", found, limits.cost, f"An operation costs at most {limits.cost}; this one: {found:g}."
        )


def check_variables(variables: Mapping[str, Any] | None, limits: Limits) -> None:
    """Raises InvalidOperation where there are more JSON values in the variables than anybody needs to coerce."""
    if not variables:
        return
    left, stack = limits.variable_values, [*variables.values()]
    while stack:
        left -= len(stack)
        if left < 0:
            allowed = limits.variable_values
            raise limit_exceeded(
                "variableValues", allowed + 1, allowed, f"Variables hold at most {allowed} values in all."
            )
        inner: list[Any] = []
        for value in stack:
            if isinstance(value, list):
                inner += value
            elif isinstance(value, dict):
                inner += value.values()
        stack = inner
