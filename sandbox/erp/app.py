"""The ERP: SAP OData v2 at /sap/opu/odata/sap/API_SALES_ORDER_SRV.

Writes and every `$batch` need the CSRF token of the caller's session: `GET` with `X-CSRF-Token: Fetch` gives token and
cookie, anything stale is a 403 with `X-CSRF-Token: Required`. `PUT /_csrf {"expire": true}` ends every session;
`GET /_csrf` tells how many tokens were issued and how many live.
"""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.erp import multipart
from sandbox.erp.csrf import Sessions
from sandbox.erp.errors import Answer, SapError, not_found, not_implemented
from sandbox.erp.multipart import BatchRequest
from sandbox.erp.query import options, resource
from sandbox.erp.rows import ROOT, Rows
from sandbox.erp.schema import ENTITY_SETS, metadata
from sandbox.erp.writes import Changes
from sandbox.kit.server import System
from sandbox.world import World

PAGE = 1000


def create(world: World) -> System:
    service = Service(world)
    routes = [
        Route(f"{ROOT}/$batch", service.batch, methods=["POST"]),
        Route(f"{ROOT}/{{path:path}}", service.single, methods=["GET", "POST", "PATCH", "MERGE", "PUT", "DELETE"]),
        Route(ROOT, service.single, methods=["GET"]),
        Route("/_csrf", service.control, methods=["GET", "PUT"]),
        Route("/_ping", _ping),
    ]
    return System("erp", Starlette(routes=routes))


class Service:
    def __init__(self, world: World) -> None:
        self.rows = Rows(world)
        self.sessions = Sessions()

    async def control(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                wanted = json.loads(await request.body())
            except ValueError:
                wanted = None
            if wanted != {"expire": True}:
                return JSONResponse({"error": 'send {"expire": true}'}, 400)
            self.sessions.expire()
        return JSONResponse({"issued": self.sessions.issued, "live": self.sessions.live})

    async def single(self, request: Request) -> Response:
        cookie, token = (request.headers.get(name, "") for name in ("cookie", "x-csrf-token"))
        if request.method != "GET" and not self.sessions.allows(cookie, token):
            return _token_required()
        raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw_path.decode("ascii").partition("?")[0].removeprefix(ROOT).removeprefix("/")
        target = BatchRequest(
            request.method,
            path + (f"?{request.url.query}" if request.url.query else ""),
            {name.lower(): value for name, value in request.headers.items()},
            await request.body(),
        )
        host = f"{request.url.scheme}://{request.url.netloc}"
        answer = self._read(target, host) if request.method == "GET" else self._write([target], host)
        response = _response(answer if isinstance(answer, Answer) else answer[0])
        if request.method == "GET" and token.lower() == "fetch":
            given, cookies = self.sessions.fetch(cookie)
            response.headers["x-csrf-token"] = given
            for field in cookies:
                response.headers.append("set-cookie", field)
        return response

    async def batch(self, request: Request) -> Response:
        if not self.sessions.allows(request.headers.get("cookie", ""), request.headers.get("x-csrf-token", "")):
            return _token_required()
        host = f"{request.url.scheme}://{request.url.netloc}"
        try:
            entries = multipart.read(request.headers.get("content-type", ""), await request.body())
        except SapError as error:
            return _response(error.answer())
        answers = [self._write(e, host) if isinstance(e, list) else self._read(e, host) for e in entries]
        content_type, body = multipart.write(answers)
        return Response(body, 202, {"content-type": content_type, "dataserviceversion": "2.0"})

    def _read(self, request: BatchRequest, host: str) -> Answer:
        path, _, query = request.target.partition("?")
        try:
            if path == "":
                return _json({"d": {"EntitySets": list(ENTITY_SETS)}})
            if path == "$metadata":
                return Answer(200, metadata().encode(), {"Content-Type": "application/xml"})
            if "json" not in request.headers.get("accept", "") and "format=json" not in query:
                raise SapError(406, "/IWFND/CM_MGW/406", "This system answers application/json only")
            return self._find(path, query, host)
        except SapError as error:
            return error.answer()

    def _find(self, path: str, query: str, host: str) -> Answer:
        target = resource(path)
        if target.key is not None:
            row = self.rows.one(target.entity_set, target.key)
            if row is None:
                raise not_found(f"{target.entity_set}Type")
            if target.navigation is None:
                shown = self.rows.show(target.entity_set, row, options(query, target.entity_set).expand, host)
                etag = {"ETag": shown["__metadata"]["etag"]} if "etag" in shown["__metadata"] else {}
                return _json({"d": shown}, etag)
            link = ENTITY_SETS[target.entity_set].navigations[target.navigation]
            entity_set, rows = link.entity_set, self.rows.related(row, link.entity_set, link.shared)
        else:
            entity_set, rows = target.entity_set, list(self.rows.of(target.entity_set))
        wanted = options(query, entity_set)
        rows = [row for row in rows if wanted.test(row)]
        end = None if wanted.top is None else wanted.skip + wanted.top
        page = rows[wanted.skip : end][:PAGE]
        results = {"results": [self.rows.show(entity_set, row, wanted.expand, host) for row in page]}
        return _json({"d": {"__count": str(len(rows)), **results} if wanted.count else results})

    def _write(self, requests: list[BatchRequest], host: str) -> Answer | list[Answer]:
        """All or nothing; the first refusal is the answer to the whole."""
        changes = Changes(self.rows)
        try:
            answers = [self._change(changes, request, host) for request in requests]
        except SapError as error:
            changes.undo()
            return error.answer()
        changes.complete_rejected()
        changes.finish()
        return answers

    def _change(self, changes: Changes, request: BatchRequest, host: str) -> Answer:
        path = request.target.partition("?")[0]
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise SapError(415, "/IWFND/CM_MGW/415", "The body is application/json")
        target = resource(path)
        if request.method == "POST" and target.entity_set == "A_SalesOrder" and target.key is None:
            row = changes.create(request.body)
            shown = self.rows.show("A_SalesOrder", row, frozenset({"to_Item"}), host)
            return _json(
                {"d": shown}, {"ETag": shown["__metadata"]["etag"], "Location": shown["__metadata"]["uri"]}, 201
            )
        if request.method in ("PATCH", "MERGE"):
            changes.merge(target, request.headers.get("if-match"), request.body)
            return Answer(204, headers={})
        raise not_implemented(f"{request.method} is not supported for {target.entity_set}")


def _json(value: object, headers: dict[str, str] | None = None, status: int = 200) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json;charset=utf-8", **(headers or {})})


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"dataserviceversion": "2.0", **answer.headers})


def _token_required() -> Response:
    headers = {"x-csrf-token": "Required", "content-type": "text/plain;charset=utf-8"}
    return Response(b"CSRF token validation failed", 403, headers)


async def _ping(_request: Request) -> Response:
    return JSONResponse({"system": "erp", "simulated": True})
