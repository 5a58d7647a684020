"""Who may read our answers in a browser (Fetch Standard, section 3.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bff import settings
from bff.settings import SettingsError
from tests.estate.house import House

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
PREFLIGHT = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
async def open_house() -> AsyncIterator[House]:
    house = House(BFF_CORS_ORIGINS=f"{APP}, http://localhost:3000")
    yield house
    await house.aclose()


async def test_named_origin_may_read(open_house: House) -> None:
    reply = await open_house.client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": APP})
    assert reply.headers["access-control-allow-origin"] == APP
    assert "access-control-allow-credentials" not in reply.headers
    assert "Origin" in reply.headers["vary"]


async def test_preflight_is_answered_and_kept(open_house: House) -> None:
    reply = await open_house.client.options("/graphql", headers=PREFLIGHT)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == APP
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "authorization" in reply.headers["access-control-allow-headers"]
    assert int(reply.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com.evil.test", "http://app.example.com", "https://APP.example.com", "null", "https://app.example.com:8443"],
)  # fmt: skip
async def test_other_origin_gets_no_permission(open_house: House, origin: str) -> None:
    reply = await open_house.client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": origin})
    assert "access-control-allow-origin" not in reply.headers
    reply = await open_house.client.options("/graphql", headers=PREFLIGHT | {"origin": origin})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers


async def test_errors_can_be_read_by_a_named_origin_too(open_house: House) -> None:
    reply = await open_house.client.post("/graphql", content=b"{", headers={"origin": APP})
    assert reply.status_code == 415
    assert reply.headers["access-control-allow-origin"] == APP


async def test_nobody_is_permitted_without_configuration(house: House) -> None:
    reply = await house.client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": APP})
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert (await house.client.options("/graphql", headers=PREFLIGHT)).status_code == 405


@pytest.mark.parametrize(
    "origins", ["*", "app.example.com", "https://app.example.com/", "https://*.example.com/x", "null"]
)
def test_origin_that_is_not_exact_stops_the_start(origins: str) -> None:
    with pytest.raises(SettingsError, match="BFF_CORS_ORIGINS"):
        settings.load({"BFF_CORS_ORIGINS": origins})
