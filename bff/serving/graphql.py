"""/graphql as a plain ASGI application: GraphQL over HTTP, one request in, one response out.

Nothing is built that nobody reads: the body is decoded straight into the four members of a request, the plan is looked
up by its text, and the result is written by orjson. Status codes follow the GraphQL over HTTP specification: with
`application/graphql-response+json` a request that could not be run is 400, one that ran is 200 however many fields
failed; with `application/json`, which older clients want, a well-formed request is 200 either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.types import ASGIApp, Receive, Scope, Send

from bff.access.tokens import TokenVerifier
from bff.context import RequestContext, enter
from bff.errors import BffError, NotAuthenticated, UpstreamError
from bff.execution import InvalidOperation, Plan, Plans
from bff.ports import Ports
from bff.serving.headers import context_of, headers_of

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


class GraphQLRequest(msgspec.Struct):
    """A request's members (GraphQL over HTTP, section 5.1); others are ignored, as it asks."""

    query: str | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class HttpRefusal(Exception):
    """A request that is answered before any operation is run."""

    def __init__(self, status: int, code: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


_read_request = msgspec.json.Decoder(GraphQLRequest).decode


class GraphQLApp:
    """Answers POST and GET. `page` answers browsers; `ports` is asked anew for each request."""

    def __init__(
        self,
        plans: Plans,
        ports: Callable[[], Ports],
        verifier: TokenVerifier,
        *,
        explain: bool,
        max_body_bytes: int,
        page: ASGIApp | None = None,
        wants_page: Callable[[Scope], bool] = lambda scope: False,
    ) -> None:
        self._plans = plans
        self._ports = ports
        self._verifier = verifier
        self._explain = explain
        self._max_body = max_body_bytes
        self._page = page
        self._wants_page = wants_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._page is not None and self._wants_page(scope):
            return await self._page(scope, receive, send)
        headers = headers_of(scope["headers"])
        media = JSON
        try:
            media = accepted(headers.get("accept"))
            request = await self._request(scope, receive, headers)
            status, body = await self._answer(request, headers, media, safe=scope["method"] in ("GET", "HEAD"))
            extra: tuple[tuple[bytes, bytes], ...] = ()
        except HttpRefusal as refusal:
            status, extra = refusal.status, refusal.headers
            body = orjson.dumps({"errors": [{"message": refusal.message, "extensions": {"code": refusal.code}}]})
        return await _send(send, status, media, body, extra, with_body=scope["method"] != "HEAD")

    async def _request(self, scope: Scope, receive: Receive, headers: dict[str, str]) -> GraphQLRequest:
        if scope["method"] == "POST":
            kind, _, parameters = headers.get("content-type", "").partition(";")
            charset = parameters.lower()
            if kind.strip().lower() != JSON or ("charset" in charset and "utf-8" not in charset):
                raise HttpRefusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")
            return decode_request(await read_body(receive, headers, self._max_body))
        if scope["method"] in ("GET", "HEAD"):
            return request_of_query(scope["query_string"])
        raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", ((b"allow", b"GET, HEAD, POST"),))

    async def _answer(
        self, request: GraphQLRequest, headers: dict[str, str], media: str, *, safe: bool
    ) -> tuple[int, bytes]:
        if request.query is None:
            raise HttpRefusal(400, "BAD_REQUEST", "The request needs a `query`, a string with a GraphQL document.")
        context = await self._context(headers)
        try:
            plan = self._plans.plan(request.query, request.operation_name)
        except InvalidOperation as invalid:
            return self._not_run(invalid.errors, media)
        if safe and plan.kind is not OperationType.QUERY:
            raise HttpRefusal(405, "METHOD_NOT_ALLOWED", "Mutations are sent by POST.", ((b"allow", b"POST"),))
        if plan.kind is OperationType.SUBSCRIPTION:
            raise HttpRefusal(400, "BAD_REQUEST", "Subscriptions are not served by this endpoint.")
        enter(context)
        result = await plan.run(context, request.variables)
        if not isinstance(result, ExecutionResult):
            raise HttpRefusal(400, "BAD_REQUEST", "@defer and @stream are not served by this endpoint.")
        return self._ran(plan, context, result, media, explain=self._explain and headers.get("bff-explain") == "1")

    async def _context(self, headers: dict[str, str]) -> RequestContext:
        try:
            caller = await self._verifier.caller(headers.get("authorization"))
            return context_of(headers, caller, self._ports())
        except NotAuthenticated as error:
            challenge = (b"www-authenticate", b'Bearer error="invalid_token"')  # RFC 6750 section 3
            raise HttpRefusal(401, error.code, error.message, (challenge,)) from error
        except UpstreamError as error:
            raise HttpRefusal(503, error.code, "Logins cannot be checked at the moment.") from error
        except BffError as error:
            raise HttpRefusal(400, error.code, error.message) from error

    def _not_run(self, errors: list[GraphQLError], media: str) -> tuple[int, bytes]:
        code = "GRAPHQL_VALIDATION_FAILED"
        said = [error.formatted | {"extensions": {"code": code} | (error.extensions or {})} for error in errors]
        return (400 if media == RESPONSE else 200), orjson.dumps({"errors": said})

    def _ran(
        self, plan: Plan, context: RequestContext, result: ExecutionResult, media: str, *, explain: bool
    ) -> tuple[int, bytes]:
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        refused = result.data is None and _could_not_begin(result)
        if not refused:
            answer["data"] = result.data
        if explain:
            answer["extensions"] = {"explain": explanation(plan, context)}
        return (400 if refused and media == RESPONSE else 200), orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS)


def _could_not_begin(result: ExecutionResult) -> bool:
    """Variables that cannot be coerced are a request error: execution never began, so there is no `data` member."""
    return bool(result.errors) and all(error.path is None for error in result.errors or ())


def explanation(plan: Plan, context: RequestContext) -> dict[str, Any]:
    """Where the answer came from, in development only: every upstream call, and how the operation was run."""
    return {
        "calls": [msgspec.to_builtins(record) for record in context.calls.records],
        "rounds": context.calls.rounds,
        "notCompiled": dict(plan.fallbacks.counts),
    }


def accepted(accept: str | None) -> str:
    """The media type to answer with (GraphQL over HTTP, section 6.4). HttpRefusal 406 where none of ours will do."""
    if accept is None or not accept.strip():
        return JSON
    best, best_quality = None, 0.0
    for part in accept.lower().split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        offered = {RESPONSE: RESPONSE, JSON: JSON, "application/*": RESPONSE, "*/*": JSON}.get(name)
        if offered is not None and quality > best_quality:
            best, best_quality = offered, quality
    if best is None:
        raise HttpRefusal(406, "NOT_ACCEPTABLE", f"This endpoint answers {RESPONSE} or {JSON}.")
    return best


async def read_body(receive: Receive, headers: dict[str, str], most: int) -> bytes:
    """The whole body. Raises HttpRefusal 413 before more than `most` bytes were kept."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise HttpRefusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {most} bytes.")
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > most:
            raise HttpRefusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {most} bytes.")
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > most:
            raise HttpRefusal(413, "PAYLOAD_TOO_LARGE", f"A request has at most {most} bytes.")
    return b"".join(parts)


def decode_request(body: bytes) -> GraphQLRequest:
    """Raises HttpRefusal 400 that says which member is wrong."""
    try:
        return _read_request(body)
    except msgspec.ValidationError as error:
        raise HttpRefusal(400, "BAD_REQUEST", f"The request is not as it should be: {error}.") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise HttpRefusal(400, "BAD_REQUEST", "The body is not valid JSON in UTF-8.") from error


def request_of_query(query_string: bytes) -> GraphQLRequest:
    """A GET request's members from its URL (GraphQL over HTTP, section 6.2.1)."""
    try:
        given = parse_qs(query_string.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query_string))
    except ValueError as error:
        raise HttpRefusal(400, "BAD_REQUEST", "The query string cannot be read.") from error
    members: dict[str, Any] = {}
    for name in ("query", "operationName", "variables", "extensions"):
        values = given.get(name, [])
        if len(values) > 1:
            raise HttpRefusal(400, "BAD_REQUEST", f"`{name}` is given more than once.")
        if values and values[0]:
            members[name] = values[0]
    try:
        for name in ("variables", "extensions"):
            if name in members:
                members[name] = orjson.loads(members[name])
        return msgspec.convert(members, GraphQLRequest)
    except orjson.JSONDecodeError as error:
        raise HttpRefusal(400, "BAD_REQUEST", "`variables` and `extensions` are JSON objects.") from error
    except msgspec.ValidationError as error:
        raise HttpRefusal(400, "BAD_REQUEST", f"The request is not as it should be: {error}.") from error


async def _send(
    send: Send, status: int, media: str, body: bytes, extra: tuple[tuple[bytes, bytes], ...], *, with_body: bool
) -> None:
    headers = [
        (b"content-type", f"{media}; charset=utf-8".encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept, Accept-Language, Authorization"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if with_body else b""})
