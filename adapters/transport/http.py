"""The one seam to the network: a request, a reply, and an engine that turns the one into the other.

An engine knows nothing of systems, budgets or meaning. It raises `ConnectFailed` when no byte of the request can have
been acted upon, and `ExchangeFailed` or `TimedOut` when it may have been: the difference decides whether a write's
outcome is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import httpx


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is absolute and already percent-encoded (OData servers refuse `+` for a space)."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """`headers` has lower-case names; repeated headers are joined by `, ` (RFC 9110 section 5.3).

    `read` is there where several requests share the reply: what its body was read into, by type, so that it is read
    once for them all.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    read: dict[Any, Any] | None = None


class TransportFailed(Exception):
    """No usable reply came."""


class ConnectFailed(TransportFailed):
    """The request was never sent."""


class ExchangeFailed(TransportFailed):
    """The connection broke while the request or the reply was on its way."""


class TimedOut(TransportFailed):
    """Nothing, or not all, came inside the time given."""


_CONNECT_SHARE = 0.9
"""Of the time given: no connection until then is known to be none, and not taken for a request that was lost."""


class Engine(Protocol):
    """Sends one request. `timeout` is seconds for the whole exchange, connecting included."""

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply: ...  # noqa: ASYNC109 - the budget is the call's

    async def aclose(self) -> None: ...


class HttpxEngine:
    """The engine for legacy systems, the sandbox and tests: respx and `MockTransport` plug in here."""

    def __init__(self, client: httpx.AsyncClient | None = None, *, connections: int = 100) -> None:
        import httpx  # with all that it brings five megabytes, which a process without legacy systems is spared

        self._httpx = httpx
        self._client = client or httpx.AsyncClient(
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
        )

    async def send(self, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ASYNC109
        httpx = self._httpx
        try:
            # httpx counts its timeouts from byte to byte: without one over all, a reply that drips would never end.
            async with asyncio.timeout(timeout):
                reply = await self._client.request(
                    request.method,
                    request.url,
                    content=request.body or None,
                    headers=dict(request.headers),
                    timeout=httpx.Timeout(timeout, connect=timeout * _CONNECT_SHARE, pool=timeout * _CONNECT_SHARE),
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise ConnectFailed(repr(error)) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TimedOut(repr(error)) from error
        except httpx.HTTPError as error:
            raise ExchangeFailed(repr(error)) from error
        return HttpReply(
            status=reply.status_code,
            headers={name.lower(): value for name, value in reply.headers.items()},
            body=reply.content,
        )

    async def aclose(self) -> None:
        await self._client.aclose()
