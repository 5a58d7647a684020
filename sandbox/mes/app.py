"""The MES: B2MML V0701 over HTTP, one production order a message, at most eight connections.

`POST /mes/b2mml` takes a `GetOperationsPerformance` as JSON or XML and answers as `Accept` asks (JSON by default).
An unknown order gets an empty `ShowOperationsPerformance`; a message that cannot be served gets `ConfirmBOD`, at 200
where the message was well formed and at 400 where it was not.
"""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.kit.server import System
from sandbox.mes.b2mml import NAMESPACE, confirm, show, to_xml
from sandbox.world import World

MAX_CONNECTIONS = 8
_ORDER = re.compile(r"PO\d{6,12}")


class BadMessage(Exception):
    """Not a GetOperationsPerformance for one order."""


def create(world: World) -> System:
    async def b2mml(request: Request) -> Response:
        media = request.headers.get("content-type", "").split(";")[0]
        try:
            ids = _asked(media, await request.body())
        except BadMessage as error:
            return _answer(request, confirm(world, "MES-1001", str(error)), 400)
        if len(ids) != 1:
            problem = "one OperationsResponse a message; send several messages"
            return _answer(request, confirm(world, "MES-1002", problem), 400)
        if not _ORDER.fullmatch(ids[0]):
            return _answer(request, confirm(world, "MES-2004", f"工单号格式错误: {ids[0]}"), 200)
        return _answer(request, show(world, world.production_orders.get(ids[0])), 200)

    routes = [Route("/mes/b2mml", b2mml, methods=["POST"]), Route("/_ping", _ping)]
    return System("mes", Starlette(routes=routes), max_connections=MAX_CONNECTIONS)


def _asked(media: str, body: bytes) -> list[str]:
    if media == "application/json":
        return _asked_json(body)
    if media in ("application/xml", "text/xml"):
        return _asked_xml(body)
    raise BadMessage(f"Content-Type is application/json or application/xml, not {media!r}")


def _asked_json(body: bytes) -> list[str]:
    try:
        message = json.loads(body)["GetOperationsPerformance"]
        if message["releaseID"] != "V0701":
            raise BadMessage("releaseID is V0701")
        if not (message["ApplicationArea"]["CreationDateTime"] and message["ApplicationArea"]["BODID"]):
            raise BadMessage("ApplicationArea has CreationDateTime and BODID")
        if "Get" not in message["DataArea"]:
            raise BadMessage("DataArea has Get")
        return [r["ID"] for p in message["DataArea"]["OperationsPerformance"] for r in p["OperationsResponse"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadMessage(f"not a GetOperationsPerformance: {error!r}") from error


def _asked_xml(body: bytes) -> list[str]:
    if b"<!DOCTYPE" in body:
        raise BadMessage("no document type is accepted")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - a document type was refused above
    except ElementTree.ParseError as error:
        raise BadMessage(f"not well formed: {error}") from error
    if root.tag != f"{{{NAMESPACE}}}GetOperationsPerformance" or root.get("releaseID") != "V0701":
        raise BadMessage(f"the root is GetOperationsPerformance V0701 in {NAMESPACE}")
    return [(element.text or "").strip() for element in root.iterfind(".//{*}OperationsResponse/{*}ID")]


def _answer(request: Request, message: dict[str, Any], status: int) -> Response:
    if "xml" in request.headers.get("accept", ""):
        return Response(to_xml(message), status, media_type="application/xml")
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return PlainTextResponse(body, status, media_type="application/json; charset=utf-8")


async def _ping(_request: Request) -> Response:
    return JSONResponse({"system": "mes", "simulated": True})
