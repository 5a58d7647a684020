"""A server that others wrote, over HTTP/2: Node's own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.transport.h1 import H1Engine
from adapters.transport.http import HttpRequest, HttpxEngine
from tests.adapters.transport.test_h1_tls import LOOPBACK, Certificate
from tools.nodejs import NodeToolError, node_binary

pytestmark = [pytest.mark.anyio, pytest.mark.real]

SCRIPT = """
const fs = require('fs');
const pem = fs.readFileSync(process.argv[1]);
const server = require('http2').createSecureServer({ key: pem, cert: pem, allowHTTP1: process.argv[2] === 'both' });
server.on('request', (request, response) => {
  response.setHeader('x-one', ['a', 'b']);
  response.end(`${request.httpVersion} ${request.method} ${request.url}`);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture(params=["both", "h2 only"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Certificate]]:
    pytest.importorskip("h2")
    certificate = Certificate(tmp_path, [LOOPBACK])
    try:
        command = [node_binary(), "-e", SCRIPT, certificate.file, request.param]
    except NodeToolError as missing:
        pytest.skip(str(missing))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"https://127.0.0.1:{int(process.stdout.readline())}", certificate
        process.terminate()


async def test_server_that_prefers_http2_is_asked_in_http2(server: tuple[str, Certificate]) -> None:
    url, certificate = server

    def http2() -> HttpxEngine:
        trust = certificate.trusting_context("h2", "http/1.1")
        return HttpxEngine(httpx.AsyncClient(http2=True, verify=trust, trust_env=False))

    engine = H1Engine(trust=certificate.trusting_context("h2", "http/1.1"), http2=http2)
    answers = await asyncio.gather(
        *(engine.send(HttpRequest(method="GET", url=f"{url}/a?n={n}"), 10.0) for n in range(8))
    )
    await engine.aclose()
    assert [answer.body.decode() for answer in answers] == [f"2.0 GET /a?n={n}" for n in range(8)]
    assert answers[0].headers["x-one"] == "a, b"
