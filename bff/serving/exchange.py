"""One operation on its way, whatever brought it: HTTP, an event stream or a WebSocket.

`Stages` are where others join in, in this order: `find` turns a request into a document (trusted documents, persisted
queries), `admit` sees the compiled operation and its caller before anything runs (cost, rate limits), `finish` sees the
result and may add headers and extensions (freshness, cost told). `mutate` stands around the execution of mutations
(idempotency keys) and gives their results in one piece. A stage refuses by raising HttpRefusal, or
InvalidOperation for what is a GraphQL request error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, OperationType

from bff.access.tokens import TokenVerifier
from bff.context import RequestContext, enter
from bff.errors import BffError, NotAuthenticated, UpstreamError
from bff.execution import InvalidOperation, Plan, Plans
from bff.execution.guards import OperationRefused
from bff.execution.plans import Result
from bff.serving.headers import context_of
from bff.serving.negotiation import JSON
from bff.serving.refusals import HttpRefusal
from bff.serving.requests import GraphQLRequest
from bff.serving.rights import RefusedAsAWhole

if TYPE_CHECKING:
    from bff.ports import Ports


class Exchange:
    """One operation: what was asked, by whom, and what is to be told besides the result.

    `media` is the type of a single result; `safe` says that the method was GET or HEAD; `network` is the ASGI scope's
    client address. `state` is for stages that need to remember something from one call to the next.
    """

    __slots__ = (
        "context", "document_id", "extensions", "headers", "media", "network", "plan", "request", "response_headers",
        "safe", "state",
    )  # fmt: skip

    def __init__(
        self,
        request: GraphQLRequest,
        headers: Mapping[str, str],
        context: RequestContext,
        *,
        media: str = JSON,
        safe: bool = False,
        network: str | None = None,
    ) -> None:
        self.request = request
        self.headers = headers
        self.context = context
        self.media = media
        self.safe = safe
        self.network = network
        self.plan: Plan | None = None
        self.document_id: str | None = None
        self.response_headers: list[tuple[bytes, bytes]] = []
        self.extensions: dict[str, Any] = {}
        self.state: dict[str, Any] = {}


Stage = Callable[[Exchange], Awaitable[None] | None]
"""What it returns is awaited, where it has to wait for anything."""
Finish = Callable[[Exchange, ExecutionResult], None]
Mutate = Callable[[Plan, RequestContext, dict[str, Any] | None], Awaitable[ExecutionResult]]


@dataclass(slots=True)
class Stages:
    """Empty lists cost nothing; each list is run in its order."""

    find: list[Stage] = field(default_factory=list)
    admit: list[Stage] = field(default_factory=list)
    finish: list[Finish] = field(default_factory=list)
    stream: list[Callable[[Exchange], None]] = field(default_factory=list)
    """In place of `finish`, where the result is a stream: when its first part is there, or its source is open."""
    end: list[Callable[[Exchange, str | None], None]] = field(default_factory=list)
    """Of what came over a WebSocket, and so has no HTTP response to end with: the code it was refused with, or None."""
    mutate: Mutate | None = None


class Operations:
    """Who asks, which plan, run it. `ports` is asked anew for each request."""

    def __init__(
        self, plans: Plans, ports: Callable[[], Ports], verifier: TokenVerifier, stages: Stages | None = None
    ) -> None:
        self._plans = plans
        self._ports = ports
        self._verifier = verifier
        self.stages = stages or Stages()

    async def context(self, headers: Mapping[str, str]) -> RequestContext:
        """Raises HttpRefusal 401 with a challenge (RFC 6750 section 3), 503 where logins cannot be checked, 400."""
        try:
            caller = await self._verifier.caller(headers.get("authorization"), headers.get("client-cert"))
            return context_of(headers, caller, self._ports())
        except NotAuthenticated as error:
            challenge = b'Bearer error="invalid_token"' if "authorization" in headers else b"Bearer"
            raise HttpRefusal(401, error.code, error.message, ((b"www-authenticate", challenge),)) from error
        except UpstreamError as error:
            raise HttpRefusal(503, error.code, "Logins cannot be checked at the moment.") from error
        except BffError as error:
            raise HttpRefusal(400, error.code, error.message) from error

    async def still_holds(self, headers: Mapping[str, str]) -> bool:
        """Whether the login that opened a stream holds now: a token expires while its stream goes on."""
        try:
            await self._verifier.caller(headers.get("authorization"), headers.get("client-cert"))
        except NotAuthenticated:
            return False
        except UpstreamError:
            return True
        return True

    async def begin(self, exchange: Exchange) -> Plan:
        """Find, look up, admit. Raises HttpRefusal and InvalidOperation."""
        for stage in self.stages.find:
            if (rest := stage(exchange)) is not None:
                await rest
        request = exchange.request
        if request.query is None:
            raise HttpRefusal(400, "BAD_REQUEST", "The request needs a `query`, a string with a GraphQL document.")
        try:
            plan = exchange.plan = self._plans.plan(request.query, request.operation_name)
        except RecursionError as error:
            raise HttpRefusal(400, "BAD_REQUEST", "The document is nested too deeply.") from error
        for stage in self.stages.admit:
            if (rest := stage(exchange)) is not None:
                await rest
        return plan

    async def run(self, exchange: Exchange) -> Result:
        """A query or a mutation that was begun."""
        assert exchange.plan is not None
        enter(exchange.context)
        plan, mutate = exchange.plan, self.stages.mutate
        try:
            if mutate is not None and plan.kind is OperationType.MUTATION:
                result: Result = await mutate(plan, exchange.context, exchange.request.variables)
            else:
                result = await plan.run(exchange.context, exchange.request.variables)
        except OperationRefused as refused:
            raise RefusedAsAWhole(refused) from refused
        if isinstance(result, ExecutionResult):
            for finish in self.stages.finish:
                finish(exchange, result)
        else:
            self._streams(exchange)
        return result

    async def subscribe(self, exchange: Exchange) -> AsyncIterator[ExecutionResult] | ExecutionResult:
        """A subscription that was begun: its results, or why it could not start."""
        assert exchange.plan is not None
        enter(exchange.context)
        source = await exchange.plan.subscribe(exchange.context, exchange.request.variables)
        if not isinstance(source, ExecutionResult):
            self._streams(exchange)
        return source

    def ended(self, exchange: Exchange, code: str | None) -> None:
        for end in self.stages.end:
            end(exchange, code)

    def _streams(self, exchange: Exchange) -> None:
        for stream in self.stages.stream:
            stream(exchange)


__all__ = ["Exchange", "InvalidOperation", "Operations", "Stages"]
