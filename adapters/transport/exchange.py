"""One call as it is carried through the rules, and the rules of its operation, settled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.transport.breaker import Breaker
from adapters.transport.cache import Entry
from adapters.transport.operation import Audience, CachePolicy, Effect, Operation
from bff.calls import CallLog, CallRecord
from bff.context import Channel, RequestContext
from bff.policy import CallPolicy, OperationPolicy, Priority

_NOTHING = OperationPolicy()


class Rule:
    """An operation at its system: what the table says of it, what its adapter says, and its breaker."""

    __slots__ = (
        "attempts", "breaker", "cache", "is_public", "is_write", "name", "operation", "priority", "timeout",
    )  # fmt: skip

    def __init__(self, operation: Operation, policy: CallPolicy, breaker: Breaker, *, may_keep: bool) -> None:
        own = policy.operations.get(operation.name, _NOTHING)
        self.operation = operation
        self.name = operation.name
        self.is_write = operation.effect is Effect.WRITE
        self.is_public = operation.audience is Audience.PUBLIC
        self.cache: CachePolicy | None = operation.cache if may_keep else None
        self.breaker = breaker
        self.attempts = policy.attempts if own.attempts is None else own.attempts
        self.timeout = own.timeout or operation.timeout or policy.timeout
        # Somebody waits for the outcome of a write, and what was done before for it is lost with it.
        usual = Priority.FIRST if self.is_write else policy.priority
        self.priority = usual if own.priority is None else own.priority


class Exchange:
    """`ends` is on the monotonic clock; `is_cut` says that the request's budget ends before the call's own limit."""

    __slots__ = (
        "body", "context", "ends", "headers", "is_cut", "keys", "known", "log", "method", "path", "rule",
    )  # fmt: skip

    def __init__(
        self,
        rule: Rule,
        method: str,
        path: str,
        keys: Sequence[str],
        headers: Mapping[str, str] | None,
        body: bytes,
        context: RequestContext | None,
        ends: float,
        is_cut: bool,
    ) -> None:
        self.rule = rule
        self.method = method
        self.path = path
        self.keys = keys
        self.headers = headers
        self.body = body
        self.context = context
        self.log = context.calls if context is not None else CallLog()
        self.ends = ends
        self.is_cut = is_cut
        self.known: Entry | None = None

    @property
    def priority(self) -> Priority:
        """A driver waits in front of a screen that cannot be put away: the car goes one place up."""
        if self.context is not None and self.context.channel is Channel.IN_CAR:
            return Priority(max(0, self.rule.priority - 1))
        return self.rule.priority

    def sent_headers(self, seconds: float, record: CallRecord) -> dict[str, str]:
        """The adapter's, what is left of the time, the trace, and the tag of what we have."""
        headers = {**self.headers} if self.headers else {}
        headers["bff-deadline-ms"] = str(int(seconds * 1000))
        if (trace := self.log.trace) is not None:
            headers["traceparent"] = trace.outgoing(record, self.method)
            if trace.state is not None:
                headers["tracestate"] = trace.state
        if self.known is not None and (tag := self.known.reply.headers.get("etag")) is not None:
            headers["if-none-match"] = tag
        return headers
