"""OData v2 as SAP Gateway speaks it: `d` envelopes, error envelopes, ETags, `$batch`, and the CSRF token.

Writes and every `$batch` need a token and the cookie of the session it belongs to. A token that has expired is
answered by 403 with `X-CSRF-Token: Required`: the call was not looked at, so even a write may be sent again, once,
with a new token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar
from uuid import uuid4

import msgspec

from adapters.transport.flight import SingleFlight
from adapters.transport.http import HttpReply
from adapters.transport.odata_batch import ChangeSet, Part, Replies, build_batch, read_batch
from adapters.transport.statuses import failure
from adapters.transport.upstream import Audience, Effect, Operation, Upstream
from bff.errors import OutcomeUnknown, UpstreamContractBroken, UpstreamError, UpstreamRejected

T = TypeVar("T")

FETCH_TOKEN = Operation(name="FetchToken", audience=Audience.PUBLIC)


class Results(msgspec.Struct, Generic[T], frozen=True):
    """A collection, or an expanded navigation to many."""

    results: list[T]


class EntityMetadata(msgspec.Struct, frozen=True):
    etag: str = ""


class _Envelope(msgspec.Struct, Generic[T], frozen=True):
    d: T


class _Message(msgspec.Struct, frozen=True):
    value: str = ""


class _ErrorDetail(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _InnerError(msgspec.Struct, frozen=True):
    transactionid: str = ""
    errordetails: list[_ErrorDetail] = []


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: _Message = _Message()
    innererror: _InnerError = _InnerError()


class _ErrorEnvelope(msgspec.Struct, frozen=True):
    error: _Error


class ODataRefusal(Exception):
    """A 4xx with SAP's error envelope. `codes` are message class and number (`V1/302`), the outermost first."""

    def __init__(self, upstream: str, status: int, codes: Sequence[str], detail: str) -> None:
        super().__init__(detail)
        self.upstream = upstream
        self.status = status
        self.codes = codes
        self.detail = detail

    def rejected(self) -> UpstreamRejected:
        """For codes that the adapter does not know."""
        return UpstreamRejected(self.upstream, detail=self.detail)


class CsrfSession(msgspec.Struct, frozen=True):
    token: str
    cookie: str


class ODataClient:
    """One service under `root` (`/sap/opu/odata/sap/API_SALES_ORDER_SRV`), and the session of its token."""

    def __init__(self, upstream: Upstream, root: str) -> None:
        self.upstream = upstream
        self.root = root
        self._session: CsrfSession | None = None
        self._new_session: SingleFlight[CsrfSession] = SingleFlight(upstream.name, self._fetch_session)

    async def get(self, operation: Operation, path: str, answer: type[T], *, keys: Sequence[str] = ()) -> T | None:
        """An entity or `Results`; None is a 404. Raises ODataRefusal for a 4xx that says why."""
        headers = {"accept": "application/json"}
        reply = await self.upstream.call(operation, "GET", f"{self.root}/{path}", keys=keys, headers=headers)
        return None if reply.status == 404 else self.read(operation, reply, answer)

    async def send(self, operation: Operation, part: Part, *, keys: Sequence[str] = ()) -> HttpReply:
        """A read by itself, without the token and the envelope that a batch needs; any status is a reply."""
        headers = {"accept": "application/json"}
        return await self.upstream.call(operation, part.method, f"{self.root}/{part.path}", keys=keys, headers=headers)

    async def batch(
        self, operation: Operation, entries: Sequence[Part | ChangeSet], *, keys: Sequence[str] = ()
    ) -> list[Replies]:
        """One exchange; replies stand in the order of the entries. Read each with `read`."""
        boundary = f"batch_{uuid4().hex}"
        headers = {"accept": "multipart/mixed", "content-type": f"multipart/mixed; boundary={boundary}"}
        content = build_batch(entries, boundary)
        reply = await self._post_with_token(operation, f"{self.root}/$batch", keys, headers, content)
        if reply.status >= 400:
            refused = self.refusal(operation, reply)
            raise refused.rejected() if isinstance(refused, ODataRefusal) else refused
        try:
            replies = read_batch(reply.headers.get("content-type", ""), reply.body)
            if len(replies) != len(entries):
                raise ValueError(f"{len(entries)} parts were sent and {len(replies)} answered")
        except ValueError as error:
            raise self._unreadable(operation, str(error)) from error
        return replies

    def read(self, operation: Operation, reply: HttpReply, answer: type[T]) -> T:
        """What stands under `d`. Raises ODataRefusal, or an UpstreamError for what is broken."""
        if reply.status >= 400:
            raise self.refusal(operation, reply)
        try:
            envelope: _Envelope[T] = msgspec.json.decode(reply.body, type=_Envelope[answer])  # type: ignore[valid-type]  # a type only known at run time
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unreadable(operation, str(error)) from error
        return envelope.d

    def refusal(self, operation: Operation, reply: HttpReply) -> ODataRefusal | UpstreamError:
        """The exception for a reply from 400 on."""
        name = self.upstream.name
        try:
            error = msgspec.json.decode(reply.body, type=_ErrorEnvelope).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return failure(name, operation, reply)
        detail = f"{error.code} {error.message.value} (transaction {error.innererror.transactionid})"
        if reply.status >= 500 or reply.status in (401, 403, 429):
            return failure(name, operation, reply, detail)
        codes = list(dict.fromkeys([error.code, *(inner.code for inner in error.innererror.errordetails)]))
        return ODataRefusal(name, reply.status, codes, f"status {reply.status} {detail}")

    def _unreadable(self, operation: Operation, detail: str) -> UpstreamError:
        """A write whose confirmation cannot be read may have happened."""
        kind = OutcomeUnknown if operation.effect is Effect.WRITE else UpstreamContractBroken
        return kind(self.upstream.name, detail=detail)

    async def _post_with_token(
        self, operation: Operation, path: str, keys: Sequence[str], headers: Mapping[str, str], body: bytes
    ) -> HttpReply:
        async def post(session: CsrfSession) -> HttpReply:
            sent = {**headers, "x-csrf-token": session.token, "cookie": session.cookie}
            return await self.upstream.call(operation, "POST", path, keys=keys, headers=sent, body=body)

        session = self._session or await self._new_session()
        reply = await post(session)
        if not _token_required(reply):
            return reply
        if self._session is session:  # whoever comes first renews it, the rest of the burst finds a new one here
            self._session = None
        reply = await post(self._session or await self._new_session())
        if _token_required(reply):
            raise UpstreamRejected(self.upstream.name, detail="a fresh CSRF token was refused")
        return reply

    async def _fetch_session(self) -> CsrfSession:
        headers = {"accept": "application/json", "x-csrf-token": "Fetch"}
        reply = await self.upstream.call(FETCH_TOKEN, "GET", f"{self.root}/", headers=headers)
        if reply.status != 200:
            raise failure(self.upstream.name, FETCH_TOKEN, reply)
        token = reply.headers.get("x-csrf-token", "")
        if token.lower() in ("", "fetch", "required"):
            raise UpstreamContractBroken(self.upstream.name, detail="no CSRF token was given")
        self._session = CsrfSession(token, _cookies(reply.headers.get("set-cookie", "")))
        return self._session


def _token_required(reply: HttpReply) -> bool:
    return reply.status == 403 and reply.headers.get("x-csrf-token", "").lower() == "required"


def _cookies(joined: str) -> str:
    """The Cookie header for Set-Cookie fields that were joined by commas (a date in `Expires` holds one, too)."""
    fields = re.split(r",\s*(?=[^;,=\s]+=)", joined)
    return "; ".join(field.partition(";")[0].strip() for field in fields if "=" in field)
