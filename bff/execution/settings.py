"""What a run takes from its caller: the same for all requests of a server, unless graphql-core's arguments differ."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from graphql.execution.execute import (
    assume_not_async_iterable,
    assume_not_awaitable,
    default_field_resolver,
    default_type_resolver,
)
from graphql.pyutils import gather_with_cancel, is_awaitable
from graphql.pyutils.is_awaitable import is_async_iterable
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.execution.is_awaitable import optimized_is_awaitable


def _track(values: Any) -> None:
    for value in values:
        close = getattr(value, "close", None)
        if close is not None:
            close()


HELPERS = GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=_track)


@dataclass(slots=True, frozen=True)
class Settings:
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
