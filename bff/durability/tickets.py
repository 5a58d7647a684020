"""Admission tokens: a number of a gate, signed, good for one intention of one caller.

The token says gate, number and time; caller and idempotency key are signed with it but not in it, so it is worth
nothing to anyone else and for no other order. HMAC-SHA256 (RFC 2104) over JSON, base64url (RFC 4648 section 5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from bff.errors import InvalidInput

VERSION = "1"
LONGEST = 256
FIELD = "input.admissionToken"
LEEWAY_MS = 60_000
"""How far ahead the clock of the process that signed may be."""


class Ticket(NamedTuple):
    """`issued` is milliseconds since 1970."""

    gate: str
    number: int
    issued: int


class Tickets:
    """`keys`: the first signs, all are believed: a new one is put in front, and the old one goes a while later."""

    def __init__(self, keys: Sequence[bytes], *, seconds: float) -> None:
        if not keys:
            raise ValueError("admission tokens need a key")
        self._keys = tuple(keys)
        self._milliseconds = round(seconds * 1000)

    def sign(self, ticket: Ticket, *, caller: str, key: str) -> str:
        body = orjson.dumps(tuple(ticket))
        return f"{VERSION}.{_encode(body)}.{_encode(_mac(self._keys[0], body, caller, key))}"

    def read(self, token: str, gate: str, *, caller: str, key: str, now: int) -> Ticket:
        """Raises InvalidInput for what was not signed here, for this gate, caller and key; and for what is too old."""
        ticket = self._signed(token, caller, key)
        if ticket is None or ticket.gate != gate or ticket.issued > now + LEEWAY_MS:
            raise InvalidInput(
                "This admissionToken does not belong to this order: send the one that came with its last `wait`, with "
                "the same idempotencyKey, or leave it out to take a new place.",
                field=FIELD,
            )
        if now - ticket.issued > self._milliseconds:
            raise InvalidInput(
                "This admissionToken is too old, its turn has passed: leave it out to take a new place.", field=FIELD
            )
        return ticket

    def _signed(self, token: str, caller: str, key: str) -> Ticket | None:
        version, _, rest = token.partition(".")
        body_text, _, mac_text = rest.partition(".")
        if version != VERSION or len(token) > LONGEST:
            return None
        body, mac = _decode(body_text), _decode(mac_text)
        if body is None or mac is None:
            return None
        if not any(hmac.compare_digest(mac, _mac(secret, body, caller, key)) for secret in self._keys):
            return None
        gate, number, issued = orjson.loads(body)
        return Ticket(gate, number, issued)


def _mac(secret: bytes, body: bytes, caller: str, key: str) -> bytes:
    signed = orjson.dumps(["admission", VERSION, body.decode("latin-1"), caller, key])
    return hmac.new(secret, signed, hashlib.sha256).digest()


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes | None:
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if _encode(value) == text else None
