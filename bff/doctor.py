"""What `bff doctor` finds: whether every upstream is there, and whether it is the real one."""

from __future__ import annotations

import asyncio
from time import perf_counter

import msgspec

from adapters.transport.upstream import Audience, Operation
from bff.composition import Services
from bff.errors import BffError, UpstreamError

PING = Operation(name="Ping", audience=Audience.PUBLIC, timeout=3.0)


class Finding(msgspec.Struct, rename="camel"):
    """What `bff doctor` says of one upstream. `state` is `up`, or the code of what went wrong; `until` when that ends.

    `next_maintenance` is when its next known window begins. `breakers` are those that are not closed in the service
    that runs, where that was asked.
    """

    name: str
    title: str
    address: str
    simulated: bool
    state: str
    milliseconds: int
    until: str | None = None
    next_maintenance: str | None = None
    breakers: dict[str, str] = {}


async def examine(services: Services) -> list[Finding]:
    """Ping every upstream at once. A real system need not know the path: any HTTP answer says that it is there."""
    return list(await asyncio.gather(*[_examine(services, name) for name in services.settings.upstreams]))


async def _examine(services: Services, name: str) -> Finding:
    address, upstream = services.settings.upstreams[name], services.upstreams[name]
    began, simulated, until = perf_counter(), address.simulated, None
    try:
        reply = await upstream.call(PING, "GET", "/_ping")
        state = "up"
        if reply.headers.get("content-type", "").startswith("application/json") and b'"simulated"' in reply.body:
            simulated = simulated or bool(msgspec.json.decode(reply.body).get("simulated"))
    except BffError as error:
        state = error.code
        if isinstance(error, UpstreamError) and error.retry_after is not None:
            until = error.retry_after.isoformat(timespec="minutes")
    upcoming = upstream.maintenance.windows.next_window(upstream.maintenance.clock())
    begins = None if upcoming is None else upcoming[0].isoformat(timespec="minutes")
    milliseconds = round((perf_counter() - began) * 1000)
    return Finding(name, address.policy.title, address.url, simulated, state, milliseconds, until, begins)
