"""Events to NATS JetStream, subject `bff.events.<stream>.<type>`. Needs the extra `nats` (nats-py).

Every event is acknowledged by the server before it counts as taken. `Nats-Msg-Id` lets the server drop what it was sent
twice within the stream's duplicate window. The connection is ours to mend: the client's own reconnecting would keep
what it could not send, and send it when nobody waits for what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bff.domain.cloud_events import CloudEvent, Delivery, EventStream

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

log = logging.getLogger("bff.events")

SUBJECT = "bff.events"
DUPLICATE_SECONDS = 600.0
KEPT_SECONDS = 7 * 86_400.0
"""Of a stream that we make; one that is there is left as it is."""

CONNECT_SECONDS = 3.0
ACK_SECONDS = 4.0
SEND_SECONDS = 6.0
"""After this no further event is begun: what was taken is told, the rest comes with the next sending."""

AT_ONCE = 32
"""Orders whose events are under way side by side; of one order it is one event."""

_OF_THE_STREAM = (10060, 10109)
"""Errors of JetStream with code 400 that are about the stream: the subject is another stream's; it is sealed."""


class Answer(NamedTuple):
    """Why an event was not taken. `is_refusal`: for itself; else for what the connection or the stream is like."""

    reason: str
    is_refusal: bool


class NatsSink:
    """`EventSink`. `servers` are `nats://user:password@host:4222` or `tls://…`, of one cluster."""

    def __init__(self, servers: Sequence[str], stream: str) -> None:
        self._servers = list(servers)
        self._stream = stream
        self._client: Client | None = None
        self._context: JetStreamContext | None = None
        self._opening = asyncio.Lock()

    async def send(self, stream: EventStream, events: Sequence[CloudEvent]) -> Delivery:
        try:
            context = await self._open()
        except Exception as error:
            log.warning("NATS cannot be reached: %s", _said(error))
            return Delivery(failed={event.id: _said(error) for event in events})
        grouped: dict[str, list[CloudEvent]] = {}
        for event in events:
            grouped.setdefault(event.partitionkey, []).append(event)
        room, taken = asyncio.Semaphore(AT_ONCE), set[str]()
        refused, failed = dict[str, str](), dict[str, str]()
        ends = monotonic() + SEND_SECONDS

        async def in_turn(group: list[CloudEvent]) -> None:
            for event in group:
                async with room:
                    if monotonic() > ends:
                        return
                    answer = await self._publish(context, stream, event)
                if answer is not None:
                    (refused if answer.is_refusal else failed)[event.id] = answer.reason
                    return
                taken.add(event.id)

        await asyncio.gather(*[in_turn(group) for group in grouped.values()])
        if failed and not taken:
            await self._close()  # whatever it is, a new connection has a new chance
        return Delivery(taken=frozenset(taken), refused=refused, failed=failed)

    async def aclose(self) -> None:
        await self._close()

    async def _publish(self, context: JetStreamContext, stream: EventStream, event: CloudEvent) -> Answer | None:
        from nats.errors import BadSubjectError, Error, MaxPayloadError
        from nats.js.errors import APIError

        subject = f"{SUBJECT}.{stream.value}.{event.type}"
        headers = {"Nats-Msg-Id": f"{stream.value}/{event.id}", "Content-Type": "application/cloudevents+json"}
        try:
            await context.publish(
                subject, msgspec.json.encode(event), timeout=ACK_SECONDS, stream=self._stream, headers=headers
            )
        except (MaxPayloadError, BadSubjectError) as error:
            return Answer(_said(error), is_refusal=True)
        except APIError as error:
            of_itself = error.code == 400 and error.err_code not in _OF_THE_STREAM
            return Answer(_said(error), is_refusal=of_itself)
        except (Error, OSError, TimeoutError) as error:
            return Answer(_said(error), is_refusal=False)
        return None

    async def _open(self) -> JetStreamContext:
        async with self._opening:
            if self._client is not None and self._client.is_connected and self._context is not None:
                return self._context
            await self._close()
            async with asyncio.timeout(CONNECT_SECONDS):
                self._client = await self._connect()
                context = self._client.jetstream(timeout=ACK_SECONDS)
                await self._prepare(context)
            self._context = context
            return context

    async def _connect(self) -> Client:
        from nats.aio.client import Client

        client = Client()

        async def note(error: Exception) -> None:
            log.debug("NATS: %s", _said(error))

        try:
            await client.connect(
                self._servers,
                name="bff",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=2,
                ping_interval=10,
                error_cb=note,
            )
        except BaseException:
            await client.close()
            raise
        return client

    async def _prepare(self, context: JetStreamContext) -> None:
        """Make the stream where there is none. One that an operator has made keeps its own limits."""
        from nats.js.api import StorageType, StreamConfig
        from nats.js.errors import BadRequestError, NotFoundError

        try:
            await context.stream_info(self._stream)
        except NotFoundError:
            config = StreamConfig(
                name=self._stream,
                description="What happened to orders, payments and bookings: CloudEvents",
                subjects=[f"{SUBJECT}.>"],
                storage=StorageType.FILE,
                max_age=KEPT_SECONDS,
                duplicate_window=DUPLICATE_SECONDS,
            )
            try:
                await context.add_stream(config)
            except BadRequestError:
                await context.stream_info(self._stream)  # another process was quicker
            else:
                log.info("the JetStream stream %s was made", self._stream)

    async def _close(self) -> None:
        client, self._client, self._context = self._client, None, None
        if client is not None:
            await client.close()


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
