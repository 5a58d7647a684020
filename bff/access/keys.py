"""An issuer's signing keys: its JWK set (RFC 7517), named outright or found by OpenID Connect Discovery 1.0.

The set is kept and asked for again in the background when it has grown old, so that no request waits for it. A token
that names an unknown key makes us ask at once, but not more often than every ten seconds, so that forged tokens cannot
drive us. While the issuer cannot be reached the keys we have hold for a day, and no longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import monotonic
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from bff.errors import BffError, UpstreamContractBroken, UpstreamUnavailable

log = logging.getLogger("bff.access")

FRESH_SECONDS = 600.0
RETRY_SECONDS = 10.0
FIRST_RETRY_SECONDS = 1.0
"""While there are no keys at all, nobody can be served: ask sooner."""
STALE_SECONDS = 86_400.0
MOST_KEYS = 32

Fetch = Callable[[], Awaitable[bytes]]
"""The bytes of the issuer's JWK set. Raises UpstreamError."""

Key = RSAKey | ECKey
_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


class Keys:
    """`generation` rises whenever the set has changed: what was proved by a key that is gone is to be proved again."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: list[Key] = []
        self._fetched = self._tried = float("-inf")
        self._reason = "not asked yet"
        self._refreshing: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, kid: str | None, alg: str) -> Sequence[Key]:
        """The keys that may have signed such a token. Raises UpstreamError where there are none to be had."""
        found = self._matching(kid, alg)
        age = self._clock() - self._fetched
        if age > STALE_SECONDS or not found:
            pause = RETRY_SECONDS if self._keys else FIRST_RETRY_SECONDS
            if self._refreshing is not None or self._clock() - self._tried > pause:
                await asyncio.shield(self._refresh())
            if self._clock() - self._fetched > STALE_SECONDS:
                raise UpstreamUnavailable("oidc", detail=self._reason)
            return self._matching(kid, alg)
        self.keep_fresh()
        return found

    def keep_fresh(self) -> None:
        """Ask anew in the background if it is time to. Nobody waits."""
        now = self._clock()
        if now - self._fetched > FRESH_SECONDS and now - self._tried > RETRY_SECONDS:
            self._refresh()

    def _matching(self, kid: str | None, alg: str) -> list[Key]:
        """By number, type, and what the issuer says that the key is for."""
        return [
            key
            for key in self._keys
            if (kid is None or key.kid == kid) and key.key_type == _TYPES.get(alg[:2]) and key.get("alg") in (None, alg)
        ]

    def _refresh(self) -> asyncio.Task[None]:
        """The fetch that is under way, or a new one. It belongs to no request: its deadline is its own."""
        if self._refreshing is None:
            self._tried = self._clock()
            self._refreshing = asyncio.get_running_loop().create_task(self._ask(), context=Context())
        return self._refreshing

    async def _ask(self) -> None:
        try:
            keys = read_key_set(await self._fetch())
        except Exception as error:
            self._reason = error.code if isinstance(error, BffError) else type(error).__name__
            log.warning("The issuer's keys could not be fetched: %s", self._reason)
        else:
            if _names(keys) != _names(self._keys):
                self.generation += 1
            self._keys, self._fetched = keys, self._clock()
        finally:
            self._refreshing = None


def _names(keys: Sequence[Key]) -> set[str]:
    return {key.thumbprint() for key in keys}


def read_key_set(body: bytes) -> list[Key]:
    """The public signature keys of a JWK set; keys of other kinds and uses are passed over, secret ones above all.

    Raises UpstreamContractBroken where there is no set, or no key in it that could verify a token.
    """
    try:
        entries = msgspec.json.decode(body)["keys"]
        usable = [entry for entry in entries if _is_for_signatures(entry)][:MOST_KEYS]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UpstreamContractBroken("oidc", detail="the JWK set cannot be read") from error
    keys: list[Key] = []
    for entry in usable:
        try:
            key = KeySet.import_key_set({"keys": [entry]}).keys[0]
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, Key):
            keys.append(key)
    if not keys:
        raise UpstreamContractBroken("oidc", detail="the JWK set has no key for signatures")
    return keys


def _is_for_signatures(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("kty") in ("RSA", "EC") and entry.get("use") in (None, "sig")


class Discovery:
    """Where an issuer keeps its keys, as its metadata says. Asked again with every fetch: issuers do move."""

    def __init__(self, issuer: str, get: Callable[[str], Awaitable[bytes]]) -> None:
        self._issuer = issuer
        self._get = get

    async def fetch_keys(self) -> bytes:
        """Raises UpstreamContractBroken for metadata of another issuer (Discovery, section 4.3)."""
        metadata = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            said = msgspec.json.decode(metadata, type=_Metadata)
        except msgspec.DecodeError as error:
            raise UpstreamContractBroken("oidc", detail="the issuer's metadata cannot be read") from error
        if said.issuer != self._issuer:
            raise UpstreamContractBroken("oidc", detail="the metadata is of another issuer")
        if not said.jwks_uri.startswith(("https://", "http://")):
            raise UpstreamContractBroken("oidc", detail="jwks_uri is not an address")
        return await self._get(said.jwks_uri)


class _Metadata(msgspec.Struct):
    issuer: str
    jwks_uri: str
