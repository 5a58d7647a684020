"""A reader of event streams (HTML Living Standard, section 9.2.6), small and strict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx


class Event(NamedTuple):
    name: str
    data: Any
    id: str | None


class Stream:
    """An open stream: `next()` is its next event, None at its end."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self.raw = ""
        self._lines = reply.aiter_lines()

    async def next(self) -> Event | None:
        name, data, event_id = "message", list[str](), None
        async with asyncio.timeout(5):
            async for line in self._lines:
                self.raw += line + "\n"
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if line == "" and data:
                    text = "\n".join(data)
                    return Event(name, json.loads(text) if text else None, event_id)
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    event_id = value
        return None

    async def rest(self) -> list[Event]:
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def opened(
    base: str, query: str, variables: dict[str, Any], *, token: str | None = None, **headers: str
) -> AsyncIterator[Stream]:
    sent = {"accept": "text/event-stream"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    body = {"query": query, "variables": variables}
    async with (
        httpx.AsyncClient(base_url=base, timeout=10) as client,
        client.stream("POST", "/graphql", json=body, headers=sent) as reply,
    ):
        yield Stream(reply)
