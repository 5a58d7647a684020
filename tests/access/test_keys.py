"""The issuer's keys: rotation, outages, and how seldom they are asked for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey

from bff.access.keys import FRESH_SECONDS, RETRY_SECONDS, STALE_SECONDS, Discovery, Keys, read_key_set
from bff.errors import NotAuthenticated, UpstreamContractBroken, UpstreamError
from tests.access.issuer import Issuer

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_at_once_ask_once(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await asyncio.gather(*[verifier.caller(f"Bearer {issuer.token(jti=str(n))}") for n in range(50)])
    assert issuer.fetches == 1


async def test_new_key_is_found_as_soon_as_a_token_names_it(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.caller(f"Bearer {issuer.token()}")
    issuer.add("next", ECKey.generate_key("P-256", {"kid": "next"}))
    issuer.ticks.now += RETRY_SECONDS + 1
    assert (await verifier.caller(f"Bearer {issuer.token(kid='next')}")).customer_id == "C0001"
    assert issuer.fetches == 2


async def test_forged_key_names_make_us_ask_once_in_ten_seconds(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.caller(f"Bearer {issuer.token()}")
    for number in range(100):
        issuer.ticks.now += 0.5
        with pytest.raises(NotAuthenticated):
            await verifier.caller(f"Bearer {issuer.token(header={'kid': f'forged {number}'})}")
    assert issuer.fetches <= 1 + 50 / RETRY_SECONDS


async def test_withdrawn_key_withdraws_what_it_signed(issuer: Issuer) -> None:
    verifier, old = issuer.verifier(), issuer.token()
    await verifier.caller(f"Bearer {old}")
    issuer.keys = {"next": ECKey.generate_key("P-256", {"kid": "next"})}
    issuer.ticks.now += FRESH_SECONDS + 1
    await verifier.caller(f"Bearer {old}")  # it is this request that has the keys fetched, and it does not wait
    await settled()
    with pytest.raises(NotAuthenticated):
        await verifier.caller(f"Bearer {old}")


async def test_old_keys_are_refreshed_while_nobody_waits(issuer: Issuer) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow() -> bytes:
        started.set()
        if issuer.fetches:
            await release.wait()
        return await issuer.fetch()

    keys = Keys(slow, clock=issuer.ticks)
    await keys.find("es", "ES256")
    issuer.ticks.now += FRESH_SECONDS + 1
    started.clear()
    assert await asyncio.wait_for(keys.find("es", "ES256"), 1)
    await asyncio.wait_for(started.wait(), 1)
    release.set()
    await settled()
    assert issuer.fetches == 2


async def test_keys_outlive_the_issuers_outage_for_a_day(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.caller(f"Bearer {issuer.token()}")
    issuer.is_away = True
    for _ in range(20):
        issuer.ticks.now += STALE_SECONDS / 21
        await verifier.caller(f"Bearer {issuer.token(jti=str(issuer.ticks.now))}")
        await settled()
    issuer.ticks.now += STALE_SECONDS
    with pytest.raises(UpstreamError):
        await verifier.caller(f"Bearer {issuer.token(jti='later')}")
    issuer.is_away = False
    issuer.ticks.now += RETRY_SECONDS + 1
    assert (await verifier.caller(f"Bearer {issuer.token(jti='back')}")).customer_id == "C0001"


async def test_caller_who_gives_up_does_not_stop_the_fetch_for_others(issuer: Issuer) -> None:
    release = asyncio.Event()

    async def slow() -> bytes:
        await release.wait()
        return await issuer.fetch()

    keys = Keys(slow, clock=issuer.ticks)
    first = asyncio.create_task(keys.find("es", "ES256"))
    second = asyncio.create_task(keys.find("es", "ES256"))
    await settled()
    first.cancel()
    await settled()
    release.set()
    assert len(await second) == 1


async def test_set_without_a_usable_key_does_not_replace_a_good_one(issuer: Issuer) -> None:
    answers: list[bytes] = [await issuer.fetch(), b'{"keys": []}', b"<html>maintenance</html>", b"[]", b'{"keys": 5}']

    async def fetch() -> bytes:
        return answers.pop(0)

    keys = Keys(fetch, clock=issuer.ticks)
    while answers:
        assert await keys.find("es", "ES256")
        await settled()
        issuer.ticks.now += FRESH_SECONDS + 1


def test_secret_and_foreign_keys_of_a_set_are_passed_over() -> None:
    good = ECKey.generate_key("P-256", {"kid": "good"}).as_dict(private=False)
    others: list[Any] = [
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True),
        ECKey.generate_key("P-256", {"kid": "for encryption", "use": "enc"}).as_dict(private=False),
        {"kty": "EC", "crv": "P-256", "kid": "half"},
        {"kty": "quantum"},
        "text",
        None,
    ]
    assert [key.kid for key in read_key_set(json.dumps({"keys": [*others, good]}).encode())] == ["good"]
    with pytest.raises(UpstreamContractBroken):
        read_key_set(json.dumps({"keys": others}).encode())


async def test_discovery_leads_to_the_keys() -> None:
    asked = []

    async def get(url: str) -> bytes:
        asked.append(url)
        if url.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": "https://id.example/realm", "jwks_uri": "https://keys.example/set"}).encode()
        return b"the set"

    assert await Discovery("https://id.example/realm", get).fetch_keys() == b"the set"
    assert asked == ["https://id.example/realm/.well-known/openid-configuration", "https://keys.example/set"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys"},
        {"issuer": "https://id.example", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "https://id.example"},
    ],
)
async def test_metadata_that_cannot_be_right_is_refused(metadata: dict[str, str]) -> None:
    async def get(url: str) -> bytes:
        assert url.startswith("https://id.example/.well-known")
        return json.dumps(metadata).encode()

    with pytest.raises(UpstreamContractBroken):
        await Discovery("https://id.example", get).fetch_keys()
