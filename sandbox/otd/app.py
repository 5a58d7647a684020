"""The OTD feed: 39-byte status records in the order in which they arrived, garbled as the world says.

GET /feed?after=0&limit=1000   records with a greater sequence, one a line, CRLF; X-Feed-Last-Sequence, X-Feed-More
POST /_records                 add a record, as the plant or a carrier would: {"order", "code", "vin"?, "yearWeek"?}
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.kit.server import System
from sandbox.world import World
from sandbox.world.entities import OtdRecord
from sandbox.world.otd import year_week

MOST = 10_000
_PATTERNS = {"order": r"[0-9A-Z]{1,12}", "code": r"[0-9A-Z]{4}", "vin": r"[0-9A-HJ-NPR-Z]{17}", "yearWeek": r"[0-9]{6}"}


def create(world: World) -> System:
    app = Starlette(
        routes=[
            Route("/feed", Feed(world).read),
            Route("/_records", Feed(world).add, methods=["POST"]),
            Route("/_ping", _ping),
        ]
    )
    return System("otd", app)


class Feed:
    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self, request: Request) -> Response:
        after, limit = (
            request.query_params.get(name, default) for name, default in (("after", "0"), ("limit", "1000"))
        )
        if not (after.isdecimal() and limit.isdecimal() and 1 <= int(limit) <= MOST):
            return PlainTextResponse(f"after is a sequence, limit is 1 to {MOST}\r\n", 400)
        newer = [record for record in self.world.otd_feed if record.sequence > int(after)]
        page = newer[: int(limit)]
        highest = self.world.otd_feed[-1].sequence if self.world.otd_feed else 0
        headers = {
            "X-Feed-Last-Sequence": str(page[-1].sequence if page else highest),
            "X-Feed-More": "true" if len(newer) > len(page) else "false",
            "Cache-Control": "no-store",
        }
        body = "".join(record.line() + "\r\n" for record in page)
        return Response(body.encode("ascii"), headers=headers, media_type="text/plain; charset=us-ascii")

    async def add(self, request: Request) -> Response:
        try:
            raw = json.loads(await request.body())
            known = {name: raw.get(name) for name in _PATTERNS}
        except (ValueError, AttributeError):
            return JSONResponse({"error": 'send {"order", "code", "vin"?, "yearWeek"?}'}, 400)
        now = datetime.now(UTC)
        known["yearWeek"] = known["yearWeek"] or year_week(now)
        for name, pattern in _PATTERNS.items():
            optional = name == "vin" and known[name] is None
            if not optional and not re.fullmatch(pattern, str(known[name])):
                return JSONResponse({"error": f"{name} does not match {pattern}"}, 400)
        sequence = self.world.otd_feed[-1].sequence + 1 if self.world.otd_feed else 1
        record = OtdRecord(sequence, known["order"], known["code"], known["vin"], known["yearWeek"], now, now)
        self.world.otd_feed.append(record)
        return JSONResponse({"sequence": sequence, "line": record.line()}, 201)


async def _ping(_request: Request) -> Response:
    return JSONResponse({"system": "otd", "simulated": True})
