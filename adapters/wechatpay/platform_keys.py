"""Whose signatures are believed: the platform's public keys from the settings, and its certificates.

Certificates are fetched when none is known, when a message names a serial that is not among them, and twice a day, so
that a withdrawn one is forgotten. While the platform rotates, the old and the new are valid side by side. However many
messages arrive at once, one fetch is made: the others wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.transport.http import HttpReply
from adapters.wechatpay.sealed_wire import Certificate, read_certificates
from adapters.wechatpay.settings import WechatPaySettings
from adapters.wechatpay.signatures import SERIAL, Unverified, check, read_proof
from bff.errors import UpstreamContractBroken, UpstreamError

REFRESH = timedelta(hours=12)
PAUSE = timedelta(seconds=60)
"""After a fetch: a stranger who sends serials that nobody knows does not make us ask for each."""
PAUSE_AFTER_FAILURE = timedelta(seconds=5)

_NEVER = datetime.min.replace(tzinfo=UTC)
_PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"

Clock = Callable[[], datetime]


class PlatformKeys:
    """`fetch` gets the certificates' reply, not verified yet. UpstreamError from any method: they cannot be had now."""

    def __init__(
        self, name: str, settings: WechatPaySettings, fetch: Callable[[], Awaitable[HttpReply]], clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._fetching: asyncio.Task[None] | None = None
        self._certificates: Mapping[str, Certificate] = {}
        self._fetched_at = _NEVER
        self._tried_at = _NEVER
        self._failure: UpstreamError | None = None

    async def prepare(self) -> None:
        """Before anything is sent whose answer could not be verified."""
        if self._settings.certificates and not self._settings.public_keys and not self._certificates:
            await self._refresh()

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Unverified."""
        proof = read_proof(headers, self._now())
        key = await self._key(proof.serial)
        if key is None:
            raise Unverified("signed by a key that the platform does not have")
        check(proof, body, key)

    async def _key(self, serial: str) -> rsa.RSAPublicKey | None:
        pinned = self._settings.public_keys.get(serial)
        if pinned is not None or serial.startswith(_PUBLIC_KEY_PREFIX) or not self._settings.certificates:
            return pinned
        if (key := self._valid(serial)) is not None and self._clock() - self._fetched_at < REFRESH:
            return key
        try:
            await self._refresh()
        except UpstreamError:
            if key is None:
                raise
        return self._valid(serial)

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _valid(self, serial: str) -> rsa.RSAPublicKey | None:
        found = self._certificates.get(_same(serial))
        return found.key if found is not None and found.begins <= self._clock() < found.ends else None

    async def _refresh(self) -> None:
        """Fetch, or wait for who does, unless somebody just did. Raises UpstreamError."""
        if self._fetching is None:
            now = self._clock()
            if now - self._tried_at < (PAUSE if self._failure is None else PAUSE_AFTER_FAILURE):
                return self._raise_failure()
            self._tried_at = now
            # For all who wait, and so in no request's context: none of them cuts it short with its own budget.
            self._fetching = asyncio.create_task(self._fetch_once(), context=Context())
        await asyncio.shield(self._fetching)
        return self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(self._name, detail=f"the platform's certificates: {self._failure.detail}")

    async def _fetch_once(self) -> None:
        try:
            self._certificates = await self._load()
            self._failure, self._fetched_at = None, self._clock()
        except UpstreamError as error:
            self._failure = error
        finally:
            self._fetching = None

    async def _load(self) -> Mapping[str, Certificate]:
        """The reply is signed by a key that it may itself introduce; only who has our API v3 key can have sealed it."""
        reply = await self._fetch()
        try:
            proof = read_proof(reply.headers, self._now())
            found = {_same(one.serial): one for one in read_certificates(reply.body, self._settings.api_keys)}
            signer = found.get(_same(proof.serial))
            key = signer.key if signer is not None else self._settings.public_keys.get(reply.headers[SERIAL])
            if key is None:
                raise Unverified("signed by a key that is not among them")
            check(proof, reply.body, key)
        except (Unverified, msgspec.MsgspecError, ValueError) as error:
            raise UpstreamContractBroken(self._name, detail=str(error)) from error
        return found


def _same(serial: str) -> str:
    """A serial number is hexadecimal, however its zeros and letters are written."""
    return serial.upper().lstrip("0")
