"""Which engine serves which upstream.

`http`: our own HTTP/1.1 engine. `https`: the same over TLS, unless the server chooses HTTP/2 by ALPN; then httpx with
its HTTP/2 takes over for that server. Tests and the sandbox put httpx in place of both, since respx and mock transports
plug in there.
"""

from __future__ import annotations

from adapters.transport.h1 import H1Engine
from adapters.transport.http import Engine, HttpxEngine
from adapters.transport.tls import client_context


def engine_for(*, connections: int, http2: bool = True, keeps: bool = True) -> Engine:
    """An engine for one upstream, which bears so many connections (exchanges at once, with HTTP/2).

    Without `http2` only HTTP/1.1 is offered, which is faster from here wherever a server speaks both. Without `keeps`
    no connection is left open between two exchanges.
    """
    make_http2 = (lambda: http2_engine(connections=connections)) if http2 else None
    return H1Engine(connections=connections, keeps=keeps, http2=make_http2)


def http2_engine(*, connections: int) -> HttpxEngine:
    import httpx  # see HttpxEngine

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return HttpxEngine(
        httpx.AsyncClient(
            http2=True,
            verify=client_context("h2", "http/1.1"),
            limits=limits,
            follow_redirects=False,
            trust_env=False,
        )
    )
