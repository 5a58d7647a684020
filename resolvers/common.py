"""What every type uses: fields on domain values, scalars, money, localised words, callers' rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, NewType, TypeVar, cast

import strawberry
from strawberry import Info
from strawberry.types.enum import has_enum_definition

from bff.context import CallerKind, RequestContext
from bff.domain.base import MOST_MINOR, Text
from bff.errors import InvalidInput, NotAllowed, NotAuthenticated
from bff.telemetry import audit

E = TypeVar("E", bound=Enum)

Request = Info[RequestContext, None]
"""Strawberry's info with our context."""


def prop(description: str, *, deprecated: str | None = None, directives: Sequence[object] = ()) -> Any:
    """A field that is the attribute of the same name on the parent."""
    return strawberry.field(description=description, deprecation_reason=deprecated, directives=directives)


def field(description: str, *, returns: Any = None, directives: Sequence[object] = ()) -> Callable[[Any], Any]:
    """Decorator of a static resolver. `returns` is the GraphQL type where the resolver answers domain values."""
    return cast(
        "Callable[[Any], Any]", strawberry.field(description=description, graphql_type=returns, directives=directives)
    )


def mutation(description: str, *, returns: Any, directives: Sequence[object] = ()) -> Callable[[Any], Any]:
    """Decorator of a static mutation. `returns` is its payload type, null where the mutation may not be or failed."""
    return cast(
        "Callable[[Any], Any]",
        strawberry.mutation(description=description, graphql_type=returns | None, directives=directives),
    )


def localised(description: str, attribute: str, *, directives: Sequence[object] = ()) -> Any:
    """A bilingual `Text` of the parent in the request's language: Chinese, unless `Accept-Language` prefers English."""
    text_of = attrgetter(attribute)

    def resolve(root: Any, info: Request) -> str:
        text: Text = text_of(root)
        return text.pick(info.context.language)

    return strawberry.field(resolver=resolve, description=description, directives=directives)


def enum(cls: type[E], description: str, values: Mapping[str, str] | None = None) -> type[E]:
    """Publish a domain enum. `values` describes members whose name does not say it all."""
    published = strawberry.enum(cls, description=description)
    assert has_enum_definition(published)
    for value in published.__strawberry_definition__.values:
        said = (values or {}).get(value.name)
        if value.name == "UNKNOWN" and said is None:
            said = "The system of record uses a value that this version does not know yet. Show a neutral text."
        value.description = said
    return cast("type[E]", published)


MinorUnits = NewType("MinorUnits", int)

MINOR_UNITS = strawberry.scalar(
    name="MinorUnits",
    description=(
        "An integer number of minor units of a currency (fen, cents): 21990000 is ¥219,900.00. A JSON number of up to "
        "53 bits, since a car's price in fen can outgrow GraphQL's 32-bit Int. Never divide it into a float to compute."
    ),
    serialize=int,
    parse_value=lambda value: _whole(value),
)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput("MinorUnits is a whole number, without quotes and without a decimal point.")
    if abs(value) > MOST_MINOR:
        raise InvalidInput("MinorUnits has at most 53 bits.")
    return value


@strawberry.type(description="An amount of money. Amounts of different currencies are never added up.")
class Money:
    amount_minor: MinorUnits = prop("The amount in minor units of the currency (fen for CNY).")
    currency: str = prop("ISO 4217 code, for example `CNY`.")


@strawberry.input(description="An amount of money, as the client saw it.")
class MoneyInput:
    amount_minor: MinorUnits = strawberry.field(description="The amount in minor units of the currency (fen for CNY).")
    currency: str = strawberry.field(description="ISO 4217 code.", default="CNY")


def known(value: E, argument: str) -> E:
    """An enum value from a client: UNKNOWN is something we say, never something we take."""
    if value.name == "UNKNOWN":
        raise InvalidInput(f"UNKNOWN cannot be sent as {argument}; choose one of the other values.", field=argument)
    return value


def customer_id_of(info: Request) -> str:
    """Whose data a personal field is about. Raises NotAuthenticated for a guest, NotAllowed for a device."""
    caller = info.context.caller
    if caller.customer_id is not None:
        return caller.customer_id
    if caller.kind is CallerKind.GUEST:
        raise NotAuthenticated("Log in as a customer to use this.")
    if caller.kind is CallerKind.ADVISER:
        raise InvalidInput("Say for which customer you act: send the header BFF-Act-For with the customer's id.")
    raise NotAllowed("This is for customers.")


def may_see_customer(context: RequestContext, customer_id: str | None) -> bool:
    """A customer sees their own; advisers see every customer's (audited)."""
    caller = context.caller
    if caller.kind is CallerKind.ADVISER:
        audit.record(context, customer=customer_id)
        return True
    return customer_id is not None and caller.customer_id == customer_id


LONGEST_KEY = 100
"""Characters of a key that a system behind us made, where clients send it back as it is."""


def text_of(value: str, argument: str, *, most: int, least: int = 1) -> str:
    """Free text from a client: trimmed, bounded, without control characters."""
    trimmed = value.strip()
    if not least <= len(trimmed) <= most:
        raise InvalidInput(f"{argument} has {least} to {most} characters; this one has {len(trimmed)}.", field=argument)
    if any(ord(char) < 32 and char not in "\n\t" for char in trimmed):
        raise InvalidInput(f"{argument} has a control character in it.", field=argument)
    return trimmed


def optional_reason(reason: str | None) -> str | None:
    """Why a customer does not want something any more, in their words; None where they said nothing."""
    return text_of(reason, "input.reason", most=200) if reason else None
