"""One payload style for every mutation: `entity`, typed `userErrors`, `warnings`.

A user error is an expected outcome that the app shows or acts on (slot taken, price changed). A GraphQL error is for
everything else. Exactly one of the two is there when `entity` is null.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import strawberry

from bff.domain.base import Refusal
from bff.errors import InvalidInput
from resolvers.common import Request, prop

T = TypeVar("T")

_KEY = re.compile(r"[\x21-\x7e]{8,128}")


@strawberry.interface(
    description="Why a mutation did not do what was asked: an expected outcome, to be shown or acted on."
)
class UserError:
    message: str = prop("What happened, in a sentence. Choose your own words by `code` where you can.")
    field: list[str] | None = prop("The path of the input that it is about, outermost first; null where it is none.")

    @classmethod
    def is_type_of(cls, source: object, _info: object) -> bool:
        return isinstance(source, Refusal)


@strawberry.type(description="Something worth telling although the mutation succeeded.")
class Warning:
    code: str = prop("A stable word for it.")
    message: str = prop("What to know, in a sentence.")


def refusal_code(codes: type[Enum]) -> Any:
    """The `code` field of a typed user error; a refusal that this version does not know is OTHER."""

    def resolve(root: Any) -> Any:
        return codes.__members__.get(root.code, codes["OTHER"])

    return strawberry.field(
        resolver=resolve, graphql_type=codes, description="A stable word for the outcome; decide by it."
    )


def user_errors(error: type) -> Any:
    def resolve(root: Any) -> list[Refusal]:
        refusals: list[Refusal] = root.refusals
        return refusals

    return strawberry.field(
        resolver=resolve,
        graphql_type=list[error],  # type: ignore[valid-type]  # a type known at run time
        description="Why it was not done; empty when it was.",
    )


def warnings() -> Any:
    def resolve(root: Any) -> list[Refusal]:
        said: list[Refusal] = root.warnings
        return said

    return strawberry.field(
        resolver=resolve, graphql_type=list[Warning], description="What to know although it was done; often empty."
    )


def entity(description: str) -> Any:
    return prop(description + " Null when `userErrors` says why not.")


def payload(description: str, *, errors: type) -> Callable[[type[T]], type[T]]:
    """Class decorator of a payload that declares its `entity`: adds `userErrors` of this type, and `warnings`.

    What else the class declares is printed after these three.
    """

    def decorate(cls: type[T]) -> type[T]:
        told = {"user_errors": user_errors(errors), "warnings": warnings()}
        first, *rest = cls.__annotations__.items()
        cls.__annotations__ = dict([first, *dict.fromkeys(told, Any).items(), *rest])
        for name, field in told.items():
            setattr(cls, name, field)
        return strawberry.type(cls, description=description)

    return decorate


IDEMPOTENCY_KEY = (
    "8 to 128 visible ASCII characters, made once by the client for this intention (a UUID is good) and sent again "
    "with every retry: the mutation is done at most once for it."
)


def idempotency(info: Request, key: str) -> str:
    """The key as upstreams get it: bound to caller and mutation, so that keys never meet. Raises InvalidInput."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            "idempotencyKey has 8 to 128 visible ASCII characters; a UUID is good.", field="input.idempotencyKey"
        )
    scope = f"{info.context.caller.partition}\n{info.field_name}\n{key}"
    return hashlib.sha256(scope.encode()).hexdigest()
