"""Tokens of the sandbox: the profile of RFC 9068, a key that follows from its seed, and no name that nobody has."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet

from sandbox.identity import tokens
from sandbox.world import build_world

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def read(token: str) -> jwt.Token:
    return jwt.decode(token, KeySet.import_key_set(tokens.jwks()), algorithms=["ES256"])  # type: ignore[arg-type]  # a JWK set is a dict


@pytest.mark.parametrize(
    ("persona", "subject", "client", "own"),
    [
        ("guest", "guest", "web", {"caller_kind": "GUEST"}),
        ("owner", "C0001", "app", {"caller_kind": "CUSTOMER", "customer_id": "C0001"}),
        ("adviser", "ST-SH0217-1", "store-tablet", {"caller_kind": "ADVISER", "store": "SH0217"}),
        ("head-unit", "device:LDCA1AB57SB000001", "head-unit", {"caller_kind": "DEVICE", "vin": "LDCA1AB57SB000001"}),
        ("C0042", "C0042", "app", {"caller_kind": "CUSTOMER", "customer_id": "C0042"}),
    ],
)
def test_token_says_who_bears_it_and_nothing_more(persona: str, subject: str, client: str, own: dict[str, str]) -> None:
    claims = dict(read(tokens.issue(persona, now=NOW)).claims)
    assert len(claims.pop("jti")) == 32
    login = {"acr": claims.pop("acr", None), "auth_time": claims.pop("auth_time", None)}
    is_person = own["caller_kind"] in ("CUSTOMER", "ADVISER")
    assert login == ({"acr": "2", "auth_time": 1795338000} if is_person else {"acr": None, "auth_time": None})
    assert claims == {
        "iss": "https://identity.sandbox.test",
        "aud": "bff",
        "sub": subject,
        "iat": 1795338000,
        "exp": 1795338000 + 12 * 3600,
        "client_id": client,
        "scope": tokens.SCOPES[own["caller_kind"]],
        **own,
    }


def test_header_names_type_algorithm_and_key() -> None:
    assert read(tokens.issue("owner")).header == {
        "typ": "at+jwt",
        "alg": "ES256",
        "kid": tokens.jwks()["keys"][0]["kid"],
    }


def test_published_key_is_public_and_its_id_is_its_thumbprint() -> None:
    (key,) = tokens.jwks()["keys"]
    assert "d" not in key
    assert key["use"] == "sig"
    assert ECKey.import_key(key).thumbprint() == key["kid"]


def test_another_process_signs_with_the_same_key() -> None:
    script = "from sandbox.identity.tokens import issue; print(issue('owner'), end='')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert read(done.stdout).claims["sub"] == "C0001"


def test_tokens_differ_though_they_say_the_same() -> None:
    assert len({read(tokens.issue("owner", now=NOW)).claims["jti"] for _ in range(3)}) == 3


def test_changed_token_does_not_hold() -> None:
    header, _, signature = tokens.issue("guest", now=NOW).split(".")
    payload = tokens.issue("owner", now=NOW).split(".")[1]
    with pytest.raises(BadSignatureError):
        read(f"{header}.{payload}.{signature}")


def test_issuer_and_lifetime_are_the_ones_asked_for() -> None:
    token = tokens.issue("owner", issuer="https://other.test", lifetime=timedelta(seconds=90), now=NOW)
    claims = read(token).claims
    assert claims["iss"] == "https://other.test"
    assert claims["exp"] - claims["iat"] == 90


@pytest.mark.parametrize("name", ["", "root", "C1", "C00011", "c0001", "C0001 "])
def test_name_that_nobody_has_gets_no_token(name: str) -> None:
    with pytest.raises(KeyError, match="no persona"):
        tokens.issue(name)


def test_personas_are_those_of_the_world() -> None:
    world = build_world()
    for persona in world.personas.values():
        claims = tokens.claims_of(persona.id)
        assert claims.get("customer_id") == persona.customer_id
        assert claims.get("store") == persona.centre_id
        assert claims.get("vin") == persona.vin
