"""Access tokens of the sandbox: JWTs in the profile of RFC 9068 (`typ: at+jwt`), signed with ES256.

The key follows from a public seed, so that every process of the sandbox signs with the same one and no PEM is kept: a
token signed by it proves nothing, and production refuses this issuer. Private claims: `caller_kind` (GUEST, CUSTOMER,
ADVISER, DEVICE), and with it `customer_id`, `store` or `vin`. People have an `acr` and an `auth_time` (RFC 9470): a
persona has just logged in, strongly.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from sandbox.world import World
from sandbox.world.entities import Persona
from sandbox.world.personas import add_personas

ISSUER = "https://identity.sandbox.test"
AUDIENCE = "bff"
SEED = "sandbox identity signing key 1"
LIFETIME = timedelta(hours=12)
STRONG, WEAK = "2", "1"
"""`acr` of a login with two factors and of one with a password alone: levels of ISO/IEC 29115."""
PEOPLE = frozenset({"CUSTOMER", "ADVISER"})

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, section 2.4.2
_READ = "catalogue:read content:read community:read"
SCOPES = {
    "GUEST": f"{_READ} leads:write",
    "CUSTOMER": f"openid profile {_READ} customer:read customer:write vehicle:read vehicle:command order:read"
    " order:write payment:write service:read service:write community:write leads:write",
    "ADVISER": f"{_READ} customer:read customer:write vehicle:read order:read order:write service:read service:write"
    " leads:read leads:write",
    "DEVICE": f"{_READ} vehicle:read vehicle:report content:sync",
}
_CLIENTS = {"APP": "app", "MINI_PROGRAM": "mini-program", "WEB": "web", "STORE": "store-tablet", "IN_CAR": "head-unit"}


def issue(
    persona: str,
    *,
    issuer: str = ISSUER,
    lifetime: timedelta = LIFETIME,
    now: datetime | None = None,
    login_age: timedelta = timedelta(0),
    acr: str = STRONG,
) -> str:
    """A token for a persona (guest, owner, adviser, head-unit) or for a customer by id (`C0042`).

    `login_age` is how long ago the person logged in, `acr` how strongly. Raises KeyError for a name that is neither.
    """
    began = int((now or datetime.now(UTC)).timestamp())
    claims = claims_of(persona)
    if claims["caller_kind"] in PEOPLE:
        claims |= {"acr": acr, "auth_time": began - int(login_age.total_seconds())}
    claims |= {
        "iss": issuer,
        "aud": AUDIENCE,
        "iat": began,
        "exp": began + int(lifetime.total_seconds()),
        "jti": uuid.uuid4().hex,
    }
    header = {"alg": "ES256", "typ": "at+jwt", "kid": _key().kid}
    return jwt.encode(header, claims, _key(), algorithms=["ES256"])


def claims_of(persona: str) -> dict[str, Any]:
    """What a token says of its bearer; it says nothing of what it does not know."""
    own: dict[str, str | None]
    known = _personas().get(persona)
    if known is None and not re.fullmatch(r"C[0-9]{4}", persona):
        raise KeyError(f"{persona} is no persona ({', '.join(_personas())}) and no customer id")
    person = known or Persona("owner", "", "APP", "zh-CN", customer_id=persona)
    if person.vin is not None:
        kind, subject, own = "DEVICE", f"device:{person.vin}", {"vin": person.vin}
    elif person.staff_id is not None:
        kind, subject, own = "ADVISER", person.staff_id, {"store": person.centre_id}
    elif person.customer_id is not None:
        kind, subject, own = "CUSTOMER", person.customer_id, {"customer_id": person.customer_id}
    else:
        kind, subject, own = "GUEST", "guest", {}
    said = {"sub": subject, "client_id": _CLIENTS[person.channel], "scope": SCOPES[kind], "caller_kind": kind}
    return said | own


def jwks() -> dict[str, Any]:
    """The JWK set (RFC 7517) with the public key."""
    public = _key().as_dict(private=False)
    return {"keys": [public | {"use": "sig", "alg": "ES256"}]}


@cache
def _key() -> ECKey:
    secret = int.from_bytes(hashlib.sha512(SEED.encode()).digest(), "big") % (_P256_ORDER - 1) + 1
    key = ECKey.import_key(ec.derive_private_key(secret, ec.SECP256R1()))
    key.ensure_kid()
    return key


@cache
def _personas() -> dict[str, Persona]:
    """The personas as the world has them, without building the rest of it."""
    empty = World(date.min, datetime.min.replace(tzinfo=UTC), 0)
    add_personas(empty)
    return dict(empty.personas)
