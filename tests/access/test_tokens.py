"""Bearer tokens: what holds, and everything that must not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from bff.access.tokens import MOST_CHARACTERS
from bff.context import ANONYMOUS, CallerKind
from bff.errors import NotAuthenticated, UpstreamError
from tests.access.issuer import Issuer, unsigned

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_no_token_is_a_guest(issuer: Issuer) -> None:
    assert await issuer.verifier().caller(None) is ANONYMOUS
    assert issuer.fetches == 0


async def test_token_proves_its_customer_with_scopes_and_login(issuer: Issuer) -> None:
    token = issuer.token(acr="2", auth_time=1700000000)
    caller = await issuer.verifier().caller(f"Bearer {token}")
    assert (caller.kind, caller.customer_id) == (CallerKind.CUSTOMER, "C0001")
    again = await issuer.verifier().caller(f"Bearer {token}")
    other = await issuer.verifier().caller(f"Bearer {issuer.token(acr='2', auth_time=1700000000, jti='other')}")
    assert again.login == caller.login != other.login
    assert again.scopes is other.scopes  # one set for all who may do the same
    assert caller.scopes == {"customer:read", "order:read"}
    assert (caller.acr, caller.auth_time) == ("2", 1700000000)


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, {"kid": "k", "alg": "RS256"})),
        ("RS256", RSAKey.generate_key(2048, {"kid": "k"})),
        ("PS256", RSAKey.generate_key(2048, {"kid": "k", "alg": "PS256"})),
        ("ES256", ECKey.generate_key("P-256", {"kid": "k"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "k", "alg": "ES384"})),
    ],
)
async def test_every_algorithm_of_ours_is_verified(issuer: Issuer, alg: str, key: Any) -> None:
    issuer.add("k", key)
    token = issuer.token(kid="k", alg=alg)
    assert (await issuer.verifier().caller(f"Bearer {token}")).customer_id == "C0001"
    head, body, signature = token.split(".")
    broken = signature[:-8] + ("A" * 8 if not signature.endswith("A" * 8) else "B" * 8)
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {head}.{body}.{broken}")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://login.example/"},
        {"iss": ...},
        {"aud": "other"},
        {"aud": ["other", "bff2"]},
        {"aud": ...},
        {"aud": {"bff": True}},
        {"exp": ...},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": 4102444800},
        {"iat": 4102444800},
        {"nbf": "soon"},
        {"sub": ...},
        {"sub": ""},
        {"sub": 5},
        {"caller_kind": "ADMIN"},
        {"customer_id": ["C0001"]},
        {"customer_id": "C0001\nC0002"},
        {"caller_kind": "DEVICE", "vin": "not a vin"},
        {"scope": {"customer:read": 1}},
        {"scope": ["customer:read order:read"]},
        {"cnf": {"jkt": "a key of DPoP"}},
        {"cnf": {"x5t#S256": "the thumbprint of a certificate that nobody showed"}},
    ],
    ids=str,
)
async def test_token_with_such_claims_does_not_hold(issuer: Issuer, claims: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {issuer.token(**claims)}")


async def test_audience_may_be_one_of_a_list(issuer: Issuer) -> None:
    caller = await issuer.verifier().caller(f"Bearer {issuer.token(aud=['other', 'bff'])}")
    assert caller.customer_id == "C0001"


async def test_clocks_may_differ_by_half_a_minute_and_no_more(issuer: Issuer) -> None:
    now = int(issuer.clock())
    near: list[dict[str, Any]] = [{"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}]
    far: list[dict[str, Any]] = [{"exp": now - 40}, {"nbf": now + 40}, {"iat": now + 40}]
    for good in near:
        await issuer.verifier().caller(f"Bearer {issuer.token(**good)}")
    for bad in far:
        with pytest.raises(NotAuthenticated):
            await issuer.verifier().caller(f"Bearer {issuer.token(**bad)}")


async def test_remembered_token_ends_with_its_own_time(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.caller(f"Bearer {token}")
    issuer.clock.now += 299
    await verifier.caller(f"Bearer {token}")
    issuer.clock.now += 60
    with pytest.raises(NotAuthenticated):
        await verifier.caller(f"Bearer {token}")


@pytest.mark.parametrize(
    "header",
    [
        {"typ": ...},
        {"typ": "JWT"},
        {"typ": "id_token+jwt"},
        {"kid": "nobody's"},
    ],
    ids=str,
)
async def test_token_with_such_a_header_does_not_hold(issuer: Issuer, header: dict[str, Any]) -> None:
    token = issuer.token(header=header)
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {token}")


@pytest.mark.parametrize("crit", [["exp"], [], ["b64"], "exp", None], ids=repr)
async def test_extension_that_must_be_understood_is_not(issuer: Issuer, crit: Any) -> None:
    """RFC 7515 section 4.1.11. Even empty or null it has no place in an access token."""
    _, body, signature = issuer.token().split(".")
    marked = unsigned({"alg": "ES256", "typ": "at+jwt", "kid": "es", "crit": crit}, {}).split(".")[0]
    with pytest.raises(NotAuthenticated, match="kind"):
        await issuer.verifier().caller(f"Bearer {marked}.{body}.{signature}")


async def test_untyped_tokens_are_for_those_who_ask_for_them_but_id_tokens_never(issuer: Issuer) -> None:
    untyped = issuer.verifier(untyped=True)
    assert (await untyped.caller(f"Bearer {issuer.token(header={'typ': 'JWT'})}")).customer_id == "C0001"
    with pytest.raises(NotAuthenticated, match="ID token"):
        await untyped.caller(f"Bearer {issuer.token(header={'typ': ...}, nonce='n')}")


async def test_type_is_told_apart_by_letters_not_by_case(issuer: Issuer) -> None:
    token = issuer.token(header={"typ": "application/AT+JWT"})
    assert (await issuer.verifier().caller(f"Bearer {token}")).customer_id == "C0001"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "RS384", "ES256K"])
async def test_algorithm_is_ours_to_choose(issuer: Issuer, alg: str) -> None:
    await issuer.verifier().caller(f"Bearer {issuer.token()}")
    token = unsigned({"alg": alg, "typ": "at+jwt", "kid": "es"}, issuer.claims())
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {token}")


async def test_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    """RFC 8725 section 2.1: a MAC made with the public key, which anybody has."""
    key = issuer.add("rs", RSAKey.generate_key(2048, {"kid": "rs"}))
    head = unsigned({"alg": "HS256", "typ": "at+jwt", "kid": "rs"}, issuer.claims()).rstrip(".")
    for secret in (key.as_pem(private=False), json.dumps(key.as_dict(private=False)).encode()):
        mac = base64.urlsafe_b64encode(hmac.digest(secret, head.encode(), hashlib.sha256)).decode().rstrip("=")
        with pytest.raises(NotAuthenticated):
            await issuer.verifier().caller(f"Bearer {head}.{mac}")


async def test_key_in_the_header_proves_nothing(issuer: Issuer) -> None:
    own = ECKey.generate_key("P-256", {"kid": "es"})
    stranger = Issuer()
    stranger.keys["es"] = own
    token = stranger.token(header={"jwk": own.as_dict(private=False)})
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {token}")


async def test_key_is_used_for_its_own_algorithm_only(issuer: Issuer) -> None:
    issuer.add("ps", RSAKey.generate_key(2048, {"kid": "ps", "alg": "PS256"}))
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(f"Bearer {issuer.token(kid='ps', alg='RS256')}")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer x",
        "Bearer ..",
        "Bearer a.b.c.d.e",
        "Bearer \u00ff\u00fe.a.b",
        "Bearer eyJhbGciOiJFUzI1NiJ9",
        "Bearer " + base64.urlsafe_b64encode(b"[" * 4000).decode() + ".a.b",
        "Bearer " + base64.urlsafe_b64encode(b'{"alg":5}').decode() + ".a.b",
        "Bearer " + "a" * 100_000,
    ],
    ids=lambda text: repr(text[:24]),
)
async def test_anything_else_is_refused_and_asks_nobody(issuer: Issuer, authorization: str) -> None:
    with pytest.raises(NotAuthenticated):
        await issuer.verifier().caller(authorization)
    assert issuer.fetches == 0


async def test_payload_that_is_no_object_is_refused(issuer: Issuer) -> None:
    for payload in (b"[]", b'"text"', b"{", b"\xff\xfe", b""):
        with pytest.raises(NotAuthenticated):
            await issuer.verifier().caller(f"Bearer {issuer.signed(payload)}")


async def test_oversized_token_is_refused_before_it_is_read(issuer: Issuer) -> None:
    token = issuer.token(padding="x" * MOST_CHARACTERS)
    with pytest.raises(NotAuthenticated, match="characters"):
        await issuer.verifier().caller(f"Bearer {token}")
    assert issuer.fetches == 0


async def test_token_without_customer_is_a_service_and_sees_nobody(issuer: Issuer) -> None:
    caller = await issuer.verifier().caller(f"Bearer {issuer.token(caller_kind=..., customer_id=...)}")
    assert (caller.kind, caller.customer_id) == (CallerKind.SERVICE, None)


async def test_claims_of_another_kind_are_not_taken_over(issuer: Issuer) -> None:
    token = issuer.token(caller_kind="ADVISER", store="SH0217", vin="LDCA1AB57SB000001")
    caller = await issuer.verifier().caller(f"Bearer {token}")
    assert (caller.kind, caller.store, caller.customer_id, caller.vin) == (CallerKind.ADVISER, "SH0217", None, None)


async def test_refusal_never_repeats_the_token(issuer: Issuer) -> None:
    token = issuer.token(exp=1)
    with pytest.raises(NotAuthenticated) as refused:
        await issuer.verifier().caller(f"Bearer {token}")
    assert token not in f"{refused.value.message} {refused.value.detail}"


async def test_issuer_that_is_away_is_no_verdict_on_the_token(issuer: Issuer) -> None:
    issuer.is_away = True
    with pytest.raises(UpstreamError):
        await issuer.verifier().caller(f"Bearer {issuer.token()}")
