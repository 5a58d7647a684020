"""What a checked token says, and the caller that it proves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from bff.context import Caller, CallerKind
from bff.errors import NotAuthenticated

LEEWAY_SECONDS = 30

_CUSTOMER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STORE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")


def check_claims(claims: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> float:
    """RFC 9068 section 4, RFC 7519 section 4.1. Returns when the token expires. Raises NotAuthenticated."""
    if claims.get("iss") != issuer:
        raise _refuse("it is of another issuer")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise _refuse("it is for another audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _refuse("it has no subject")
    expires = _moment(claims, "exp")
    if expires is None:
        raise _refuse("it does not say when it expires")
    if expires <= now - LEEWAY_SECONDS:
        raise _refuse("it has expired")
    for name in ("nbf", "iat"):
        begins = _moment(claims, name)
        if begins is not None and begins > now + LEEWAY_SECONDS:
            raise _refuse(f"its {name} is in the future")
    return expires


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _refuse(f"its {name} is no time")
    return float(value)


def _refuse(why: str) -> NotAuthenticated:
    return NotAuthenticated("The access token does not hold. Log in again.", detail=why)


def caller_of(claims: Mapping[str, Any], login: bytes) -> Caller:
    """The caller that checked claims prove. Raises NotAuthenticated for a claim that cannot be right.

    Private claims: `caller_kind` with `customer_id`, `store` or `vin`. Without a kind, a token with a customer is a
    customer's, and any other a service's: it proves nobody in person.
    """
    customer = _word(claims, "customer_id", _CUSTOMER)
    default = CallerKind.CUSTOMER if customer is not None else CallerKind.SERVICE
    try:
        kind = CallerKind(claims.get("caller_kind", default))
    except ValueError as error:
        raise NotAuthenticated("The access token names a kind of caller that is not known.") from error
    auth_time = _moment(claims, "auth_time")
    acr = claims.get("acr")
    return Caller(
        kind=kind,
        subject=str(claims["sub"]),
        customer_id=customer if kind is CallerKind.CUSTOMER else None,
        store=_word(claims, "store", _STORE) if kind is CallerKind.ADVISER else None,
        vin=_word(claims, "vin", _VIN) if kind is CallerKind.DEVICE else None,
        scopes=_scopes(claims),
        login=login,
        acr=acr if isinstance(acr, str) else None,
        auth_time=int(auth_time) if auth_time is not None else None,
    )


def _word(claims: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise _refuse(f"its {name} cannot be right")
    return value


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """RFC 9068 section 2.2.3: words with spaces between; a list is understood as well."""
    said = claims.get("scope", "")
    if isinstance(said, list) and all(isinstance(word, str) and word.split() == [word] for word in said):
        said = " ".join(said)
    if not isinstance(said, str):
        raise _refuse("its scope is no list of words")
    return _scope_set(said)


@lru_cache(maxsize=256)
def _scope_set(said: str) -> frozenset[str]:
    """One set for all callers who may do the same: it is larger than all else that is remembered of one."""
    return frozenset(said.split())


def thumbprint_of(claims: Mapping[str, Any]) -> str | None:
    """The certificate that the token is bound to (RFC 8705 section 3.1). Other bindings cannot be checked here."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    thumbprint = confirmation.get("x5t#S256") if isinstance(confirmation, dict) else None
    if not isinstance(thumbprint, str):
        raise NotAuthenticated("The access token is bound in a way that is not understood here.")
    return thumbprint
