"""Systems that lie: replies in which something is not as agreed, by the rules of nobody's contract."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import httpx

from adapters.transport.http import Engine, HttpxEngine
from bff.settings import UpstreamAddress
from tests.estate.house import House, Wire

JUNK: list[Any] = [
    None, "", 0, -1, True, [], {}, "x" * 300, 1e308, 2**63, -(2**70), 1.5, "NaN", "\0", [None], {"a": 1},
    "0001-01-01", "9999-12-31", "9999-99-99", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
]  # fmt: skip
WORDS = [
    "", "x", "-1", "  ", "00000000", "99991231235959", "00010101000000", "9999-12-31T23:59:59", "true", "NaN", "1e400",
    "99999999999999999999", "/Date(99999999999999999)/",
]  # fmt: skip
_TEXT = re.compile(r">([^<>]+)<")
_ELEMENT = re.compile(r"<([\w:]+)[^<>/]*>[^<>]*</\1>")


class LyingHouse(House):
    """Each reply is a lie with a chance of `share`; which one, `rnd` says."""

    def __init__(self, rnd: Random, **environ: Any) -> None:
        self.rnd = rnd
        self.share = 0.0
        self.lies = 0
        super().__init__(**environ)

    def _engine(self, address: UpstreamAddress) -> Engine:
        return HttpxEngine(httpx.AsyncClient(transport=_Liar(self, self.systems[address.name])))


class _Liar(Wire):
    def __init__(self, house: LyingHouse, system: Any) -> None:
        super().__init__(system)
        self._house = house

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = await super().handle_async_request(request)
        if self._house.rnd.random() >= self._house.share:
            return reply
        self._house.lies += 1
        body = lie(await reply.aread(), reply.headers.get("content-type", ""), self._house.rnd)
        headers = {name: value for name, value in reply.headers.items() if name != "content-length"}
        return httpx.Response(reply.status_code, headers=headers, content=body)


def lie(body: bytes, content_type: str, rnd: Random) -> bytes:
    """JSON with one member that is something else, missing, or there twice; any other text with one piece replaced."""
    if "json" in content_type and body:
        return json.dumps(_other(json.loads(body), rnd)).encode()
    encoding = "gbk" if b"GBK" in body[:100] else "utf-8"
    return _garbled(body.decode(encoding, "replace"), rnd).encode(encoding, "replace")


def _other(document: Any, rnd: Random) -> Any:
    places: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        within = stack.pop()
        for key in within if isinstance(within, dict) else range(len(within)) if isinstance(within, list) else ():
            places.append((within, key))
            stack.append(within[key])
    if not places or rnd.random() < 0.05:
        return rnd.choice(JUNK)
    within, key = rnd.choice(places)
    chance = rnd.random()
    if chance < 0.6:
        within[key] = rnd.choice(JUNK)
    elif chance < 0.8:
        del within[key]
    elif isinstance(within, list):
        within.insert(0, within[key])
    else:
        within["more"] = within[key]
    return document


def _garbled(text: str, rnd: Random) -> str:
    chance = rnd.random()
    if chance < 0.7 and (texts := list(_TEXT.finditer(text))):
        found = rnd.choice(texts)
        return text[: found.start(1)] + rnd.choice(WORDS) + text[found.end(1) :]
    if chance < 0.9 and (elements := list(_ELEMENT.finditer(text))):
        found = rnd.choice(elements)
        return text[: found.start()] + found[0] * rnd.choice([0, 2]) + text[found.end() :]
    at = rnd.randrange(len(text) + 1)
    return text[:at] + rnd.choice(["", "0", "x", " ", "\n", "99"]) + text[at + rnd.choice([0, 1, 2]) :]
