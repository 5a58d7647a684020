"""The content service as a port, and the way its immutable bytes pass through us."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from adapters.content import content_wire as wire
from adapters.transport.http import HttpReply
from adapters.transport.records import Records, by_chunks
from adapters.transport.rest import Items, ProblemReply, RestClient, query
from adapters.transport.upstream import Audience, CachePolicy, Operation, Upstream
from bff.domain.base import NO_KEYS, Found
from bff.domain.content import ContentBundle, SyncPlan, SyncRequest
from bff.domain.vehicle import Software, VehicleState
from bff.errors import BffError, UpstreamContractBroken, UpstreamUnavailable

V = TypeVar("V")

SYNC = Operation(name="Sync")
BUNDLES = Operation(
    name="GetBundles",
    audience=Audience.PUBLIC,
    cache=CachePolicy(fresh=60, stale_while_revalidate=600, stale_if_error=86_400, tags=("content",)),
)
ASSET = Operation(name="GetAsset", audience=Audience.PUBLIC, timeout=30.0)
SOFTWARE = Operation(name="GetSoftware")
STATES = Operation(name="GetStates")

MOST_KEYS = 100
MOST_SYNCS = 50
_PASSED_ON = ("range", "if-range", "if-none-match")
_TOLD = ("etag", "cache-control", "accept-ranges", "content-range")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ITEMS = Items[msgspec.Raw]


class ContentAdapter:
    """Implements `ContentPort` and `ConnectedVehiclePort`.

    `public_base_url` is where clients reach the bytes: an asset's address is that plus `/assets/{sha256}/{name}`.
    """

    def __init__(self, upstream: Upstream, *, public_base_url: str) -> None:
        self._rest = RestClient(upstream)
        self._reader = wire.BundleReader(public_base_url)

    async def sync(self, requests: Sequence[SyncRequest]) -> Found[SyncRequest, SyncPlan]:
        named = {str(index): request for index, request in enumerate(dict.fromkeys(requests))}

        async def ask(names: list[str]) -> Mapping[str, wire.WirePlan | BffError]:
            body = wire.sync_body((name, named[name]) for name in names)
            keys = [named[name].vin or named[name].screen_class for name in names]
            answer = await self._read(SYNC, "POST", "/sync", keys=keys, body=body)
            return wire.PLANS.found(wire.NAME, answer, names, lambda plan: plan.id)

        found = await by_chunks(list(named), MOST_SYNCS, ask)
        return {
            named[name]: plan if isinstance(plan, BffError) else self._reader.read_plan(plan, named[name])
            for name, plan in found.items()
            if name in named
        }

    async def bundles(
        self, ids: Sequence[str], *, locale: str, screen_class: str, brand: str | None = None
    ) -> Found[str, ContentBundle]:
        place = [("locale", locale), ("screenClass", screen_class), ("brand", brand)]
        records = self._reader.records
        return await self._bulk(BUNDLES, "/bundles", "id", ids, records, lambda bundle: bundle.id, place)

    async def software(self, vins: Sequence[str]) -> Found[str, Software]:
        found = await self._bulk(SOFTWARE, "/vehicles/software", "vin", vins, wire.SOFTWARE, lambda pair: pair[0])
        return {vin: pair if isinstance(pair, BffError) else pair[1] for vin, pair in found.items()}

    async def states(self, vins: Sequence[str]) -> Found[str, VehicleState]:
        found = await self._bulk(STATES, "/vehicles/states", "vin", vins, wire.STATES, lambda pair: pair[0])
        return {vin: pair if isinstance(pair, BffError) else pair[1] for vin, pair in found.items()}

    async def asset(self, sha256: str, name: str, headers: Mapping[str, str]) -> HttpReply:
        """The bytes of a hash: 200, 206, 304, 404 or 416. Of `headers` (lower-case names), those of ranges and of
        validation are passed on. Raises UpstreamError, also where the answer is not what the hash names: it would be
        kept for ever under that hash.
        """
        if not _SHA256.fullmatch(sha256) or name in NO_KEYS:
            return HttpReply(status=404, headers={}, body=b"")
        upstream = self._rest.upstream
        sent = {name: value for name in _PASSED_ON if (value := headers.get(name)) is not None}
        path = f"/assets/{sha256}/{quote(name, safe='')}"
        reply = await upstream.call(ASSET, "GET", path, keys=[sha256], headers=sent)
        if reply.status in (304, 404, 416):
            told = {name: value for name in _TOLD if (value := reply.headers.get(name)) is not None}
            return HttpReply(status=reply.status, headers=told, body=b"")
        if reply.status not in (200, 206):
            raise UpstreamUnavailable(wire.NAME, detail=f"{reply.status} for {path}")
        if reply.headers.get("etag") != f'"{sha256}"' or not _is_whole_or_part(reply, sha256):
            raise UpstreamContractBroken(wire.NAME, detail=f"other bytes than {sha256} names")
        return reply

    async def _bulk(
        self,
        operation: Operation,
        path: str,
        parameter: str,
        keys: Sequence[str],
        records: Records[Any, V],
        key_of: Callable[[V], str],
        more: Sequence[tuple[str, str | None]] = (),
    ) -> dict[str, V | BffError]:
        async def ask(some: list[str]) -> Mapping[str, V | BffError]:
            asked = query([*((parameter, key) for key in some), *more])
            answer = await self._read(operation, "GET", path + asked, keys=some)
            return records.found(wire.NAME, answer, some, key_of)

        return await by_chunks(keys, MOST_KEYS, ask)

    async def _read(
        self, operation: Operation, method: str, path: str, *, keys: Sequence[str], body: Any = None
    ) -> Items[msgspec.Raw]:
        try:
            answer = await self._rest.fetch(operation, method, path, _ITEMS, keys=keys, body=body)
        except ProblemReply as refused:
            raise refused.rejected() from refused
        if answer is None:
            raise UpstreamContractBroken(wire.NAME, detail=f"404 for {path}")
        return answer


def _is_whole_or_part(reply: HttpReply, sha256: str) -> bool:
    return reply.status == 206 or hashlib.sha256(reply.body).hexdigest() == sha256
