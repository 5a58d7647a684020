"""Who may have a field: said on the schema in directives, and held to before anything is asked for the field.

A field (or a type that `node` can fetch) carries what it asks of the caller. `enforce` makes a `Guard` of it, once,
when the schema is built, and hangs it on graphql-core's field. `bff.execution` asks the guards of an operation once a
request and runs the operation as it is compiled without the refused fields; any other executor meets the same guard in
front of the resolver. A refused field is null with an error of its own, so every guarded field is nullable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import wraps
from time import time
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, is_non_null_type
from strawberry.schema_directive import Location

from bff.context import ANONYMOUS, Caller, CallerKind
from bff.errors import BffError, NotAllowed, NotAuthenticated, StepUpRequired

LEEWAY_SECONDS = 30
STRONG = ("2", "3", "4")
"""`acr` values that count as a strong login, unless the deployment says others: levels of ISO/IEC 29115."""

GUARD = "guard"
"""The key of a field's guard among the extensions of graphql-core's field."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    description="The scopes a caller's token needs: all scopes of at least one of the lists. On a type: to fetch it.",
)
class RequiresScopes:
    scopes: list[list[str]] = strawberry.directive_field(name="scopes")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], description="Only these kinds of callers are answered."
)
class Audience:
    kinds: list[CallerKind] = strawberry.directive_field(name="kinds")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="The caller must have logged in strongly, and not longer ago than this (RFC 9470).",
)
class StepUp:
    max_age_seconds: int = strawberry.directive_field(name="maxAgeSeconds")


@strawberry.enum(description="What makes something a caller's own.")
class Owner(Enum):
    CUSTOMER = strawberry.enum_value("CUSTOMER", description="The customer it belongs to; advisers serve all of them.")
    VEHICLE = strawberry.enum_value("VEHICLE", description="A car in the caller's garage, or the head unit's own car.")


@strawberry.schema_directive(
    locations=[Location.OBJECT],
    description="Nobody but the owner finds it: to anyone else it is not there (null, without an error).",
)
class Owned:
    by: Owner = strawberry.directive_field(name="by")


def scopes(*alternatives: str) -> RequiresScopes:
    """`scopes("a b", "c")`: a and b together, or c alone."""
    return RequiresScopes(scopes=[alternative.split() for alternative in alternatives])


def audience(*kinds: CallerKind) -> Audience:
    return Audience(kinds=list(kinds))


def owned(by: Owner) -> Owned:
    return Owned(by=by)


def step_up(max_age_seconds: int) -> StepUp:
    return StepUp(max_age_seconds=max_age_seconds)


class Guard:
    """What one field asks of the caller. Fields that ask the same share one guard."""

    __slots__ = ("alternatives", "kinds", "max_age", "strong")

    def __init__(
        self,
        alternatives: Sequence[frozenset[str]] = (),
        kinds: frozenset[CallerKind] = frozenset(),
        max_age: int | None = None,
        strong: Sequence[str] = STRONG,
    ) -> None:
        self.alternatives = tuple(alternatives)
        self.kinds = kinds
        self.max_age = max_age
        self.strong = tuple(strong)

    def refusal(self, context: Any) -> BffError | None:
        """Why the request's caller may not, None where it may. A request without a caller is a guest's."""
        caller: Caller = getattr(context, "caller", ANONYMOUS)
        held = caller.scopes
        if self.kinds and caller.kind not in self.kinds:
            names = ", ".join(sorted(kind.value for kind in self.kinds))
            return _refuse(caller, f"This is for callers of the kind {names}.")
        if self.alternatives and not any(wanted <= held for wanted in self.alternatives):
            wanted = " or ".join(" and ".join(f"`{scope}`" for scope in sorted(each)) for each in self.alternatives)
            return _refuse(caller, f"The access token needs the scope {wanted}.")
        if self.max_age is not None and not self._is_fresh_and_strong(caller, self.max_age):
            return StepUpRequired(acr_values=self.strong, max_age=self.max_age)
        return None

    def _is_fresh_and_strong(self, caller: Caller, max_age: int) -> bool:
        if caller.acr not in self.strong or caller.auth_time is None:
            return False
        return -LEEWAY_SECONDS <= time() - caller.auth_time <= max_age + LEEWAY_SECONDS

    def refuse(self, _source: Any, info: Any, **_arguments: Any) -> Any:
        """In place of a refused field's resolver."""
        raise self.refusal(info.context) or NotAllowed("This may not be asked for.")


def _refuse(caller: Caller, why: str) -> BffError:
    return NotAuthenticated(f"{why} Log in first.") if caller.kind is CallerKind.GUEST else NotAllowed(why)


def guard_of(directives: Iterable[object], *, strong: Sequence[str] = STRONG) -> Guard | None:
    """One guard of all that the directives of a field or type ask, None where they ask nothing."""
    alternatives: list[frozenset[str]] = []
    kinds: frozenset[CallerKind] = frozenset()
    max_age: int | None = None
    for directive in directives:
        if isinstance(directive, RequiresScopes):
            alternatives = [frozenset(each) for each in directive.scopes]
        elif isinstance(directive, Audience):
            kinds = frozenset(directive.kinds)
        elif isinstance(directive, StepUp):
            max_age = directive.max_age_seconds
    if not alternatives and not kinds and max_age is None:
        return None
    return Guard(alternatives, kinds, max_age, strong)


def enforce(schema: GraphQLSchema, *, strong: Sequence[str] = STRONG) -> None:
    """Put a guard on every field that asks for one. Raises TypeError for a guarded field that cannot be null."""
    known: dict[tuple[Any, ...], Guard] = {}
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType):
            continue
        for name, field in kind.fields.items():
            guard = guard_of(directives_of(field), strong=strong)
            if guard is None:
                continue
            if is_non_null_type(field.type) and kind is not schema.subscription_type:
                raise TypeError(f"{kind.name}.{name} is guarded and so must be nullable.")
            shared = known.setdefault((frozenset(guard.alternatives), guard.kinds, guard.max_age), guard)
            field.extensions = {**(field.extensions or {}), GUARD: shared}
            field.resolve = _guarded(field.resolve, shared)
            if field.subscribe is not None:
                field.subscribe = _guarded(field.subscribe, shared)


def directives_of(definition: Any) -> Sequence[object]:
    """The schema directives on a field, an argument, an input field or a type of graphql-core's schema."""
    declared = (definition.extensions or {}).get("strawberry-definition")
    return getattr(declared, "directives", None) or ()


def guard_on(field: GraphQLField) -> Guard | None:
    return (field.extensions or {}).get(GUARD)


def _guarded(resolve: Callable[..., Any] | None, guard: Guard) -> Callable[..., Any]:
    """For executors that know nothing of guards."""
    assert resolve is not None, "Strawberry gives every field a resolver"
    inner = resolve

    @wraps(inner)
    def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        refusal = guard.refusal(info.context)
        if refusal is not None:
            raise refusal
        return inner(source, info, **arguments)

    return guarded


def table(schema: GraphQLSchema) -> Mapping[str, Guard]:
    """Every guarded field by its coordinate (`Type.field`): what a reviewer asks for."""
    return {
        f"{kind.name}.{name}": guard
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if (guard := guard_on(field)) is not None
    }
