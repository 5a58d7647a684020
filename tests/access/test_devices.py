"""Head units: which certificate is believed, from whom, and what it makes of the caller."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.types import Receive, Scope, Send

from bff.access.devices import DEVICE_SCOPES, Devices
from bff.access.hops import ClientCertificates, networks
from bff.errors import NotAuthenticated
from sandbox.identity.tokens import SCOPES
from tests.access.house import VIN, Authority, client_cert, token_with
from tests.estate.house import House

pytestmark = pytest.mark.anyio

WHO = "{ viewer { kind vehicle { vin } } }"
AUTHORITY = Authority()
CERTIFICATE = AUTHORITY.client()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Tests speak from 127.0.0.1, which is a proxy of this house."""
    built = House(BFF_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    yield built
    await built.aclose()


def pem(certificate: Certificate = CERTIFICATE) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def thumbprint() -> str:
    digest = hashlib.sha256(CERTIFICATE.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_certificate_alone_is_the_car(house: House) -> None:
    answer = await house.ask(WHO, persona=None, headers={"client-cert": client_cert(CERTIFICATE)})
    assert answer.data == {"viewer": {"kind": "DEVICE", "vehicle": {"vin": VIN}}}


async def test_envoy_forwards_it_in_its_own_way(house: House) -> None:
    header = f'Hash=ab;Cert="{quote(pem())}";Subject="CN=head unit";URI=urn:vin:{VIN}'
    answer = await house.ask(WHO, persona=None, headers={"x-forwarded-client-cert": header})
    assert answer.data["viewer"]["vehicle"]["vin"] == VIN


async def test_a_stranger_cannot_name_a_car_in_a_header() -> None:
    house = House(BFF_TRUSTED_PROXIES="10.0.0.0/8")
    try:
        for name, value in (("client-cert", client_cert(CERTIFICATE)), ("x-forwarded-client-cert", f"Cert={pem()!r}")):
            answer = await house.ask(WHO, persona=None, headers={name: value})
            assert answer.data == {"viewer": {"kind": "GUEST", "vehicle": None}} or answer.codes()
            assert answer.data["viewer"]["kind"] == "GUEST"
    finally:
        await house.aclose()


async def test_no_header_names_a_car_unless_a_proxy_is_trusted() -> None:
    house = House()
    try:
        answer = await house.ask(WHO, persona=None, headers={"client-cert": client_cert(CERTIFICATE)})
        assert answer.data["viewer"]["kind"] == "GUEST"
    finally:
        await house.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        {"client-cert": "not base64"},
        {"client-cert": ":AAAA:"},
        {"client-cert": "::"},
        {"client-cert": client_cert(AUTHORITY.client(age=timedelta(days=60)))},
        {"client-cert": client_cert(AUTHORITY.client(age=timedelta(days=-1)))},
        {"client-cert": client_cert(AUTHORITY.client(usage=ExtendedKeyUsageOID.SERVER_AUTH))},
        {"client-cert": client_cert(AUTHORITY.client(uris=(f"urn:vin:{VIN}", "urn:vin:1M8GDM9AXKP042788")))},
        {"client-cert": client_cert(AUTHORITY.client(uris=("urn:vin:SHORT",)))},
        {"client-cert": client_cert(AUTHORITY.client(uris=()))},
        {"client-cert": client_cert(CERTIFICATE), "x-forwarded-client-cert": f"Cert={quote(pem())}"},
        {"x-forwarded-client-cert": f"Cert={quote(pem())},Cert={quote(pem())}"},
        {"x-forwarded-client-cert": f"URI=urn:vin:{VIN}"},
    ],
    ids=range(12),
)
async def test_certificate_that_proves_no_car_is_refused_and_not_passed_over(
    house: House, headers: dict[str, str]
) -> None:
    answer = await house.ask(WHO, persona=None, headers=headers)
    assert answer.status == 401
    assert "vehicle" not in answer.body


async def test_common_name_names_the_car_where_no_uri_does(house: House) -> None:
    certificate = AUTHORITY.client(uris=(), common_name=VIN)
    answer = await house.ask(WHO, persona=None, headers={"client-cert": client_cert(certificate)})
    assert answer.data["viewer"]["vehicle"]["vin"] == VIN


async def test_authorities_of_the_deployment_must_have_issued_it(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(pem(AUTHORITY.certificate))
    house = House(BFF_TRUSTED_PROXIES="127.0.0.1", BFF_DEVICE_CA=str(tmp_path / "ca.pem"))
    try:
        own = await house.ask(WHO, persona=None, headers={"client-cert": client_cert(CERTIFICATE)})
        assert own.data["viewer"]["kind"] == "DEVICE"
        foreign = await house.ask(WHO, persona=None, headers={"client-cert": client_cert(Authority().client())})
        assert foreign.status == 401
    finally:
        await house.aclose()


async def test_bound_token_holds_with_its_certificate_only(house: House) -> None:
    bound = token_with("head-unit", cnf={"x5t#S256": thumbprint()})
    with_it = await house.ask(WHO, persona=None, headers=bound | {"client-cert": client_cert(CERTIFICATE)})
    assert with_it.data["viewer"]["vehicle"]["vin"] == VIN
    for shown in ({}, {"client-cert": client_cert(AUTHORITY.client())}):
        assert (await house.ask(WHO, persona=None, headers=bound | shown)).status == 401


async def test_a_car_never_speaks_for_another(house: House) -> None:
    other = AUTHORITY.client(uris=("urn:vin:1M8GDM9AXKP042788",))
    answer = await house.ask(WHO, persona="head-unit", headers={"client-cert": client_cert(other)})
    assert answer.status == 401


async def test_device_sees_its_own_car_and_no_other_without_asking_anybody(house: House) -> None:
    stranger = next(vin for vin in house.world.vehicles if vin != VIN)
    answer = await house.ask(
        "query ($vin: String!) { vehicle(vin: $vin) { vin } }",
        {"vin": stranger},
        persona=None,
        headers={"client-cert": client_cert(CERTIFICATE)},
    )
    assert answer.data == {"vehicle": None}
    assert answer.calls == []


async def test_tls_of_our_own_is_believed_without_any_header() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    wrapped = ClientCertificates(app, networks("10.0.0.0/8"))
    forged = [(b"client-cert", b":forged:"), (b"host", b"bff")]

    async def ask(tls: dict[str, object]) -> list[tuple[bytes, bytes]]:
        scope = {"type": "http", "headers": forged, "client": ("192.0.2.1", 1), "extensions": {"tls": tls}}
        await wrapped(scope, None, None)  # type: ignore[arg-type]  # the application below reads neither
        return list(seen[-1]["headers"])

    assert await ask({"client_cert_chain": [pem()], "client_cert_error": None}) == [
        (b"host", b"bff"),
        (b"client-cert", client_cert(CERTIFICATE).encode()),
    ]
    assert await ask({"client_cert_chain": [pem()], "client_cert_error": "self signed"}) == [(b"host", b"bff")]
    assert await ask({"client_cert_chain": []}) == [(b"host", b"bff")]


async def test_connection_without_an_address_is_nobody_of_ours() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    for client in (None, ("", 0), ("unix", 0)):
        scope = {"type": "websocket", "headers": [(b"client-cert", b":x:")], "client": client}
        await ClientCertificates(app, networks("0.0.0.0/0, ::/0"))(scope, None, None)  # type: ignore[arg-type]  # as above
        assert seen[-1]["headers"] == []


def test_certificate_gives_the_scopes_of_a_devices_token() -> None:
    assert frozenset(SCOPES["DEVICE"].split()) == DEVICE_SCOPES
    with pytest.raises(NotAuthenticated):
        Devices().certificate("")
