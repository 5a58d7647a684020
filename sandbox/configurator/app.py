"""The configurator over HTTP: public reads with ETags, checks in bulk, saved configurations by share code.

`POST /_withdraw {"code": "K4R"}` ends the sale of an option while the system runs, under a new rule set version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kit.clock import Clock, running_from
from sandbox.kit.openapi import Endpoint, Items, body_as, document, key_required, keys, keys_of, routes, word
from sandbox.kit.rest import HANDLERS, Idempotency, Refused, body_of, reply
from sandbox.kit.server import System
from sandbox.world import World

from . import contract, sharing
from .catalogue import show_model, show_name, show_offer, show_trim
from .engine import Configurator

NAME = "configurator"
MOST = 200
_encode = msgspec.json.Encoder().encode


def create(world: World, clock: Clock | None = None) -> System:
    """`clock` dates what is saved; without one, time begins at the world's `now`."""
    app = Starlette(
        routes=[
            *routes(endpoints(world, clock)),
            Route("/_ping", _ping),
            Route("/_withdraw", _withdraw(world), methods=["POST"]),
        ],
        exception_handlers=HANDLERS,
    )
    return System(NAME, app)


def openapi(world: World) -> dict[str, Any]:
    """The service's contract, as it is kept in docs/contracts/configurator.openapi.json."""
    told = "What can be built, and at what price. Reads are public and carry an ETag; checks are bulk; times are UTC."
    return document("Configurator", told, endpoints(world))


def endpoints(world: World, clock: Clock | None = None) -> list[Endpoint]:
    configurator, now = Configurator(world), clock or running_from(world.now)
    once = Idempotency()

    async def models(request: Request) -> Response:
        brand = request.query_params.get("brand")
        return _public(request, (show_model(m) for m in world.models.values() if brand in (None, m.brand)), 300)

    async def checks(request: Request) -> Response:
        asked = await body_as(request, contract.ChecksRequest)
        found = ((one.ref, configurator.check(one.selection)) for one in asked.selections)
        return _items(contract.AnsweredCheck(ref=ref, check=check) for ref, check in found if check is not None)

    async def save(request: Request) -> Response:
        key_required(request)
        saved = sharing.save(configurator, await body_as(request, contract.Selection), now())
        return Response(_encode(saved), 201, media_type="application/json")

    async def load(request: Request) -> Response:
        found = (sharing.load(configurator, code) for code in keys_of(request, "code", MOST))
        return _public(request, (loaded for loaded in found if loaded is not None), 0)

    def by_code(name: str, show: Callable[[str], Any], seconds: int) -> Any:
        async def read(request: Request) -> Response:
            found = (show(code) for code in keys_of(request, name, MOST))
            return _public(request, (thing for thing in found if thing is not None), seconds)

        return read

    def model(code: str) -> contract.Model | None:
        return show_model(world.models[code]) if code in world.models else None

    def trim(code: str) -> contract.Trim | None:
        return show_trim(world.trims[code]) if code in world.trims else None

    def named(code: str) -> contract.Named | None:
        return show_name(world, code)

    def offer(code: str) -> contract.Offer | None:
        return show_offer(world, world.trims[code]) if code in world.trims else None

    return [
        Endpoint(
            method="GET",
            path="/models",
            id="ListModels",
            summary="All models, or those of one brand.",
            handler=models,
            answer=Items[contract.Model],
            parameters=[word("brand")],
        ),
        _read("/models/by-code", "GetModels", "code", by_code("code", model, 300), contract.Model),
        _read("/trims", "GetTrims", "code", by_code("code", trim, 60), contract.Trim),
        _read("/offers", "GetOffers", "trim", by_code("trim", offer, 300), contract.Offer),
        _read("/options", "GetOptions", "code", by_code("code", named, 300), contract.Named),
        Endpoint(
            method="POST",
            path="/checks",
            id="CheckSelections",
            summary="What the rules say of selections; one on an unknown trim is left out.",
            handler=checks,
            answer=Items[contract.AnsweredCheck],
            body=contract.ChecksRequest,
        ),
        Endpoint(
            method="POST",
            path="/configurations",
            id="SaveConfiguration",
            summary="Keep a buildable selection under a new share code, for ever unchanged.",
            handler=once(save),
            answer=contract.Saved,
            status=201,
            body=contract.Selection,
            refusals=["NOT_BUILDABLE", "MARKET_UNKNOWN", "NOT_FOUND", "IDEMPOTENCY_KEY_REUSED"],
            idempotent=True,
        ),
        _read("/configurations", "LoadConfigurations", "code", load, contract.Loaded),
    ]


def _read(path: str, name: str, key: str, handler: Any, answer: Any) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        id=name,
        summary="What exists of the codes asked for. ETag; If-None-Match is answered by 304.",
        handler=handler,
        answer=Items[answer],
        parameters=[keys(key, MOST)],
    )


def _items(found: Iterable[Any]) -> Response:
    return Response(_encode({"items": list(found)}), media_type="application/json")


def _public(request: Request, found: Iterable[Any], seconds: int) -> Response:
    """The same for everybody: may be kept for `seconds`, then asked about by its ETag (RFC 9110 section 13.1.2)."""
    answer = _items(found)
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": f"public, max-age={seconds}" if seconds else "no-cache"}
    if _known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _known(sent: str | None, etag: str) -> bool:
    """If-None-Match compares weakly."""
    tags: Sequence[str] = [tag.strip().removeprefix("W/") for tag in sent.split(",")] if sent else []
    return etag in tags or "*" in tags


async def _ping(_request: Request) -> Response:
    return reply({"system": NAME, "simulated": True})


def _withdraw(world: World) -> Any:
    turns = count(1)

    async def withdraw(request: Request) -> Response:
        code = (await body_of(request)).get("code")
        option = world.options.get(code) if isinstance(code, str) else None
        if option is None:
            raise Refused("NOT_FOUND", "there is no such option", 404)
        option.withdrawn_on = world.today
        world.rule_set_version = f"{world.rule_set_version.partition('+')[0]}+{next(turns)}"
        return reply({"code": code, "ruleSetVersion": world.rule_set_version})

    return withdraw
