"""Bearer tokens (RFC 6750): JWT access tokens (RFC 9068) checked against the issuer's JWK set (RFC 7517).

A token that was checked once is remembered until it expires, by its own text: signatures cost more than a whole query.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bff.context import ANONYMOUS, Caller, CallerKind
from bff.errors import NotAuthenticated

ALGORITHMS = ["ES256", "RS256"]
LEEWAY_SECONDS = 30
KEYS_FRESH_SECONDS = 600.0
KEYS_RETRY_SECONDS = 10.0
MOST_REMEMBERED = 20_000

FetchKeys = Callable[[], Awaitable[bytes]]


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    typ: str | None = None


class Keys:
    """The issuer's keys: fetched when first needed, again when old or when a token names one that is not among them.

    One fetch at a time, and for an unknown key at most one every ten seconds, so that forged tokens cannot make us ask.
    """

    def __init__(self, fetch: FetchKeys) -> None:
        self._fetch = fetch
        self._keys = KeySet([])
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> KeySet:
        """Raises UpstreamError where the keys cannot be had and none are known."""
        age = monotonic() - self._fetched
        if age > KEYS_FRESH_SECONDS or (not self._knows(kid) and age > KEYS_RETRY_SECONDS):
            async with self._lock:
                if monotonic() - self._fetched >= age:
                    await self._refresh()
        return self._keys

    def _knows(self, kid: str | None) -> bool:
        return any(kid is None or key.kid == kid for key in self._keys.keys)

    async def _refresh(self) -> None:
        try:
            self._keys = KeySet.import_key_set(msgspec.json.decode(await self._fetch()))
        except Exception:
            if not self._keys.keys:
                raise
        self._fetched = monotonic()


class TokenVerifier:
    """From the Authorization header to a Caller."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._remembered: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def caller(self, authorization: str | None) -> Caller:
        """No header is a guest. Raises NotAuthenticated for a token that does not hold, saying what to do."""
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("Send the header `Authorization: Bearer <token>`.")
        known = self._remembered.get(token)
        if known is not None and known[0] > time():
            self._remembered.move_to_end(token)
            return known[1]
        claims = await self._claims(token)
        caller = caller_of(claims, token)
        self._remembered[token] = (float(claims["exp"]), caller)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        header = _header_of(token)
        if header.alg not in ALGORITHMS or header.typ not in (None, "JWT", "at+jwt", "application/at+jwt"):
            raise NotAuthenticated("The access token is of a kind that is not accepted here.", detail=repr(header))
        keys = await self._keys.find(header.kid)
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            rules.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise NotAuthenticated("The access token does not hold. Log in again.", detail=repr(error)) from error
        return decoded.claims


def _header_of(token: str) -> _Header:

    try:
        raw = token.split(".", 1)[0]
        return msgspec.json.decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=_Header)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise NotAuthenticated("The access token is not a JWT.", detail=repr(error)) from error


def caller_of(claims: dict[str, Any], token: str) -> Caller:
    """The caller that checked claims prove. Claims: `caller_kind`, `customer_id`, `store`, `vin`, `scope`."""
    try:
        kind = CallerKind(claims.get("caller_kind", "CUSTOMER"))
    except ValueError as error:
        raise NotAuthenticated("The access token names a kind of caller that is not known.") from error
    return Caller(
        kind=kind,
        subject=str(claims["sub"]),
        customer_id=claims.get("customer_id") if kind is CallerKind.CUSTOMER else None,
        store=claims.get("store") if kind is CallerKind.ADVISER else None,
        vin=claims.get("vin") if kind is CallerKind.DEVICE else None,
        scopes=frozenset(str(claims.get("scope", "")).split()),
        token=token,
    )
