"""Bearer tokens (RFC 6750): JWT access tokens (RFC 9068), and the certificates that devices and tokens are bound to.

A token that was checked once is remembered until it expires, by its digest: signatures cost more than a whole query.
It is forgotten when the issuer's keys change, so that withdrawing a key withdraws what it signed.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from time import time
from typing import Any, NamedTuple

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from bff.access.claims import LEEWAY_SECONDS, caller_of, check_claims, thumbprint_of
from bff.access.devices import Certificate, Devices, is_bound_to
from bff.access.keys import Keys
from bff.context import ANONYMOUS, Caller, CallerKind
from bff.errors import NotAuthenticated

ALGORITHMS = ("ES256", "ES384", "RS256", "PS256")
TYPED = frozenset({"at+jwt", "application/at+jwt"})
UNTYPED = frozenset({None, "jwt", "application/jwt"})
MOST_CHARACTERS = 8_192
MOST_REMEMBERED = 10_000

__all__ = ["LEEWAY_SECONDS", "Keys", "TokenVerifier"]


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: msgspec.Raw = msgspec.Raw(b"")


class _Proof(NamedTuple):
    """What a token has proved. `thumbprint` is the certificate that it is bound to."""

    expires: float
    generation: int
    caller: Caller
    thumbprint: str | None


class TokenVerifier:
    """From what a request shows to a Caller.

    `untyped` accepts tokens without `at+jwt`, for issuers that cannot type them. `bound_devices` refuses a device's
    token that is not bound to a certificate.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        untyped: bool = False,
        bound_devices: bool = False,
        devices: Devices | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._types = TYPED | UNTYPED if untyped else TYPED
        self._bound_devices = bound_devices
        self._devices = devices or Devices()
        self._clock = clock
        # By digest: a token is a kilobyte long, and one that is kept may be found by others.
        self._remembered: OrderedDict[bytes, _Proof] = OrderedDict()

    async def caller(self, authorization: str | None, client_cert: str | None = None) -> Caller:
        """Without a token the caller is the car of the certificate, or a guest.

        `client_cert` is a `Client-Cert` header (RFC 9440) that can be believed. Raises NotAuthenticated for a token
        that does not hold, saying what to do, and UpstreamError where the issuer's keys cannot be had.
        """
        certificate = self._devices.certificate(client_cert) if client_cert is not None else None
        if authorization is None:
            return ANONYMOUS if certificate is None else self._devices.caller(certificate)
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("Send the header `Authorization: Bearer <token>`.")
        login = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        proof = self._remembered.get(login)
        if proof is None or proof.expires <= self._clock() or proof.generation != self._keys.generation:
            proof = await self._prove(token, login)
        else:
            self._remembered.move_to_end(login)
            self._keys.keep_fresh()
        self._check_binding(proof, certificate)
        return proof.caller

    async def _prove(self, token: str, login: bytes) -> _Proof:
        if len(token) > MOST_CHARACTERS:
            raise NotAuthenticated(f"An access token has at most {MOST_CHARACTERS} characters.")
        claims = await self._claims(token)
        expires = check_claims(claims, issuer=self._issuer, audience=self._audience, now=self._clock())
        proof = _Proof(expires, self._keys.generation, caller_of(claims, login), thumbprint_of(claims))
        self._remembered[login] = proof
        self._remembered.move_to_end(login)
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return proof

    def _check_binding(self, proof: _Proof, certificate: Certificate | None) -> None:
        """RFC 8705 section 3; and a car never speaks for another."""
        if proof.thumbprint is not None and not is_bound_to(proof.thumbprint, certificate):
            raise NotAuthenticated("The access token is bound to another client certificate.")
        if proof.caller.kind is not CallerKind.DEVICE:
            return
        if proof.thumbprint is None and self._bound_devices:
            raise NotAuthenticated("A car shows its client certificate; a token alone is not enough.")
        if certificate is not None and certificate.vin is not None and certificate.vin != proof.caller.vin:
            raise NotAuthenticated("The access token is of another car than the client certificate.")

    async def _claims(self, token: str) -> dict[str, Any]:
        header = _header_of(token)
        # RFC 9068 section 4 and RFC 8725 section 3.1: the algorithm is ours to choose, and the type says what it is.
        kind = header.typ.lower() if header.typ is not None else None
        if header.alg not in ALGORITHMS or kind not in self._types or bytes(header.crit):
            raise NotAuthenticated("The access token is of a kind that is not accepted here.", detail=repr(header))
        for key in await self._keys.find(header.kid, header.alg):
            try:
                payload = jws.deserialize_compact(token, key, algorithms=[header.alg], registry=_REGISTRY).payload
            except (JoseError, ValueError):
                continue
            return _claims_of(payload, untyped=kind in UNTYPED)
        raise NotAuthenticated(
            "The access token does not hold. Log in again.", detail="no key of the issuer verifies it"
        )


_REGISTRY = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


def _claims_of(payload: bytes, *, untyped: bool) -> dict[str, Any]:
    try:
        claims = msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise NotAuthenticated("The access token is not a JWT.", detail="no JSON inside") from error
    if not isinstance(claims, dict):
        raise NotAuthenticated("The access token is not a JWT.", detail="no object inside")
    if untyped and not {"nonce", "at_hash", "c_hash"}.isdisjoint(claims):
        raise NotAuthenticated("This is an ID token; send the access token.")
    return claims


def _header_of(token: str) -> _Header:
    try:
        raw = token.split(".", 1)[0]
        return msgspec.json.decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=_Header)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise NotAuthenticated("The access token is not a JWT.", detail=type(error).__name__) from error
