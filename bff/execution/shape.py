"""A shape: one operation compiled for one set of condition values. Settings: what a run takes from its caller."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeGuard

from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, OperationType
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.execute import (
    assume_not_async_iterable,
    assume_not_awaitable,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel, is_awaitable
from graphql.pyutils.is_awaitable import is_async_iterable
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.execution.is_awaitable import optimized_is_awaitable

from bff.execution.codegen import Generator
from bff.execution.collect import Collector
from bff.execution.fallback import FallbackCounter
from bff.execution.guards import NOTHING, Refused
from bff.execution.model import ObjectPlan

_numbers = count(1)


def _track(values: Any) -> None:
    for value in values:
        close = getattr(value, "close", None)
        if close is not None:
            close()


HELPERS = GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=_track)


@dataclass(slots=True, frozen=True)
class Settings:
    """The same for every request of a server; graphql-core's own arguments may say otherwise."""

    field_resolver: Callable[..., Any] = default_field_resolver
    type_resolver: Callable[..., Any] = default_type_resolver
    is_awaitable: Callable[[Any], TypeGuard[Awaitable[Any]]] = optimized_is_awaitable  # type: ignore[assignment]  # a plain bool there
    is_async_iterable: Callable[[Any], TypeGuard[AsyncIterable[Any]]] = is_async_iterable
    helpers: GraphQLResolveInfoHelpers = field(default=HELPERS)
    hide_suggestions: bool = False
    error_propagation: bool = True

    @property
    def is_ordinary(self) -> bool:
        """Whether generated functions may assume the default resolvers and predicates."""
        return self.is_awaitable in _PREDICATES and self.is_async_iterable in _ASYNC_PREDICATES

    @property
    def has_default_resolvers(self) -> bool:
        return self.field_resolver is default_field_resolver and self.type_resolver is default_type_resolver


# Synchronous execution assumes that nothing is awaitable; what generated functions refuse, it then sees for itself.
_PREDICATES = (is_awaitable, optimized_is_awaitable, assume_not_awaitable)
_ASYNC_PREDICATES = (is_async_iterable, assume_not_async_iterable)

DEFAULTS = Settings()


class Shape:
    """Ready to run: the plan of the root object, its generated functions, and their source."""

    __slots__ = (
        "fallbacks",
        "fragment_definitions",
        "generated",
        "generator",
        "guards",
        "is_strawberry",
        "namespace",
        "operation",
        "root",
        "schema",
        "serial",
        "size",
    )

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        fragment_definitions: dict[str, FragmentDefinitionNode],
        variable_values: VariableValues,
        settings: Settings,
        fallbacks: FallbackCounter,
        refused: Refused = NOTHING,
    ) -> None:
        self.generator: Generator | None = None
        self.namespace: dict[str, Any] = {}
        self.schema = schema
        self.operation = operation
        self.fragment_definitions = fragment_definitions
        self.fallbacks = fallbacks
        self.serial = operation.operation is OperationType.MUTATION
        self.is_strawberry = hasattr(schema, "_strawberry_schema")
        self.generated = settings.is_ordinary
        collector = Collector(
            schema,
            operation,
            fragments,
            variable_values,
            fallbacks=fallbacks,
            default_resolver=settings.has_default_resolvers,
            hide_suggestions=settings.hide_suggestions,
            error_propagation=settings.error_propagation,
            refused=refused,
        )
        self.root: ObjectPlan = collector.root()
        self.guards = tuple(collector.guards)
        self.size = len(collector.fields)
        if self.generated:
            name = operation.name.value if operation.name else "anonymous"
            generator = Generator(
                schema, fragment_definitions, operation, f"bff.execution/{name}-{next(_numbers)}.generated"
            )
            generator.generate(collector.objects, collector.fields)
            self.generator = generator
            self.namespace = generator.namespace
        else:
            fallbacks.add("a predicate of the caller's for awaitables: interpreted")

    @property
    def source(self) -> str:
        """The generated Python; empty where nothing was generated."""
        return "" if self.generator is None else self.generator.get_source("")

    def __del__(self) -> None:
        """Generated functions and their namespace hold each other: let go, or an evicted plan waits for the collector.

        Whoever runs a shape holds it.
        """
        self.namespace.clear()
