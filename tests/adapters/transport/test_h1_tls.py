"""TLS under the HTTP/1.1 engine: who is trusted, and who speaks HTTP/2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.transport.h1 import H1Engine
from adapters.transport.http import ConnectFailed, ExchangeFailed, HttpReply, HttpRequest
from adapters.transport.tls import client_context
from tests.adapters.transport.misbehaving import Script, Server, always, both_loops, reply, then_hang_up

pytestmark = pytest.mark.anyio


anyio_backend = both_loops


class Certificate:
    """Self-signed, for `names`; `file` holds certificate and key."""

    def __init__(self, folder: Path, names: list[x509.GeneralName], days: int = 1) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream.test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.file = folder / "server.pem"
        self.file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def server_context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file)
        context.set_alpn_protocols(list(protocols))
        return context

    def trusting_context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.file)
        context.set_alpn_protocols(list(protocols))
        return context


LOOPBACK = x509.IPAddress(IPv4Address("127.0.0.1"))


@asynccontextmanager
async def serving(script: Script, context: ssl.SSLContext) -> AsyncIterator[Server]:
    server = Server(script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def get(engine: H1Engine, url: str) -> HttpReply:
    return await engine.send(HttpRequest(method="GET", url=url), 5.0)


class Recorder:
    """Stands for the HTTP/2 engine."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.is_closed = False

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        self.urls.append(request.url)
        return HttpReply(status=200, headers={}, body=b"by http/2")

    async def aclose(self) -> None:
        self.is_closed = True


async def test_trusted_server_is_asked_and_its_connection_kept(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, [LOOPBACK])
    engine = H1Engine(trust=certificate.trusting_context("http/1.1"))
    async with serving(always(reply(b"secret" * 5000)), certificate.server_context("http/1.1")) as server:
        for _ in range(20):
            assert (await get(engine, server.url + "/")).body == b"secret" * 5000
        await engine.aclose()
    assert server.connections == 1


async def test_unknown_authority_gets_no_request(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, [LOOPBACK])
    engine = H1Engine()
    async with serving(always(reply(b"forged")), certificate.server_context()) as server:
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await get(engine, server.url + "/")
        await engine.aclose()
    assert not server.exchanges


@pytest.mark.parametrize(
    ("names", "days"), [([x509.DNSName("other.test")], 1), ([LOOPBACK], -1)], ids=["another's name", "expired"]
)
async def test_certificate_that_does_not_hold_gets_no_request(
    tmp_path: Path, names: list[x509.GeneralName], days: int
) -> None:
    certificate = Certificate(tmp_path, names, days)
    engine = H1Engine(trust=certificate.trusting_context())
    async with serving(always(reply(b"forged")), certificate.server_context()) as server:
        with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await get(engine, server.url + "/")
        await engine.aclose()
    assert not server.exchanges


async def test_plain_server_behind_an_https_address_gets_no_request() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    engine = H1Engine()
    with pytest.raises(ConnectFailed):
        await get(engine, f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")
    await engine.aclose()
    listening.close()


async def test_end_of_the_connection_does_not_make_a_reply_whole(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, [LOOPBACK])
    engine = H1Engine(trust=certificate.trusting_context())
    cut = then_hang_up(b"HTTP/1.1 200 OK\r\n\r\nand much mo")
    async with serving(cut, certificate.server_context()) as server:
        with pytest.raises(ExchangeFailed):
            await get(engine, server.url + "/")
        await engine.aclose()


@pytest.mark.parametrize(
    ("server_speaks", "answer"), [(("h2", "http/1.1"), b"by http/2"), (("http/1.1",), b"by http/1.1")]
)
async def test_alpn_decides_which_http_is_spoken(tmp_path: Path, server_speaks: tuple[str, ...], answer: bytes) -> None:
    certificate = Certificate(tmp_path, [LOOPBACK])
    http2 = Recorder()
    engine = H1Engine(trust=certificate.trusting_context("h2", "http/1.1"), http2=lambda: http2)
    async with serving(always(reply(b"by http/1.1")), certificate.server_context(*server_speaks)) as server:
        bodies = [(await get(engine, f"{server.url}/{n}")).body for n in range(3)]
        await engine.aclose()
    assert bodies == [answer] * 3
    speaks_http2 = answer == b"by http/2"
    assert len(http2.urls) == (3 if speaks_http2 else 0)
    assert len(server.exchanges) == (0 if speaks_http2 else 3)
    assert server.connections <= 1
    assert http2.is_closed == speaks_http2


def test_names_are_checked_and_old_protocols_refused() -> None:
    context = client_context("http/1.1")
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 50
