"""The dealer system's endpoint: `POST /ws/star`, at most ten connections, business failures at HTTP 200.

`PUT /_refusals {"refusals": [{"code": "E5001", "match": "GetVehicle", "times": 2, "done": false}]}` makes it answer
the next BODs whose name contains `match` with that code (`DELETE` ends it); with `done` a write is carried out all the
same, as a real system's E9999 may hide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from xml.etree import ElementTree as ET

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.dms import framing
from sandbox.dms.framing import Fault, Message, Refused
from sandbox.dms.orders import Orders
from sandbox.dms.questions import HEAD_OFFICE, Questions
from sandbox.dms.records import iso
from sandbox.kit.server import System
from sandbox.world import World

NAME = "dms"
MEDIA = "text/xml; charset=GBK"
ORDERS = ("ProcessServiceAppointment", "ProcessRepairOrder")
_PASSING = ("E2001", "E5001", "E9999")


def create(world: World, clock: Callable[[], datetime] | None = None) -> System:
    """The system over `world`; without a clock, time begins at the world's `now`."""
    desk = Desk(world, clock or _running_from(world.now))
    routes = [
        Route("/ws/star", desk.receive, methods=["POST"]),
        Route("/_refusals", desk.set_refusals, methods=["PUT", "DELETE"]),
        Route("/_ping", _ping),
    ]
    return System(NAME, Starlette(routes=routes), max_connections=10)


@dataclass(slots=True)
class Refusal:
    """A refusal to come, set from outside."""

    code: str
    match: str = ""
    times: int = 1
    done: bool = False


class Desk:
    """Takes a message in, has it answered and puts the answer into an envelope."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        self.world, self.clock = world, clock
        self.questions, self.orders = Questions(world), Orders(world, clock)
        self.refusals: list[Refusal] = []
        self._outcomes: dict[str, tuple[str, bytes]] = {}

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        try:
            message = framing.read(body, request.headers.get("content-type", ""), request.headers.get("soapaction"))
            return Response(self._answer(message), 200, media_type=MEDIA)
        except Fault as fault:
            return Response(framing.fault(fault), 500, media_type=MEDIA)

    async def set_refusals(self, request: Request) -> Response:
        raw = json.loads(await request.body() or b"{}") if request.method == "PUT" else {}
        self.refusals = [Refusal(**entry) for entry in raw.get("refusals", [])]
        return JSONResponse(raw)

    def _answer(self, message: Message) -> bytes:
        try:
            if message.name not in self.questions.known and message.name not in ORDERS:
                raise Fault(f"unknown BOD {message.name}")
            self._check_sender(message)
            ordered = self._next_refusal(message.name)
            if ordered is not None and not ordered.done:
                raise Refused(ordered.code, "系统提示")
            answer = self._asked(message) if message.name in self.questions.known else self._ordered(message)
            if ordered is not None:
                raise Refused(ordered.code, "未知错误")
            return answer
        except Refused as refused:
            return framing.confirm_failure(message, iso(self.clock()), refused)

    def _asked(self, message: Message) -> bytes:
        name, found = "Show" + message.name.removeprefix("Get"), self.questions.ask(message)
        if found is None:
            return framing.answer(name, message, iso(self.clock()), "0", "")
        return framing.answer(name, message, iso(self.clock()), "0000", "成功", *found)

    def _ordered(self, message: Message) -> bytes:
        """The first outcome of this BODID, whatever came between; another content under it is refused."""
        digest = hashlib.sha256(ET.tostring(message.data)).hexdigest()
        known = self._outcomes.get(message.bod_id)
        if known is not None and known[0] != f"{message.name} {digest}":
            raise Refused("E3008", "BODID 已用于其他请求")
        if known is None:
            known = self._outcomes[message.bod_id] = (f"{message.name} {digest}", self._carry_out(message))
        return known[1]

    def _carry_out(self, message: Message) -> bytes:
        name = "Acknowledge" + message.name.removeprefix("Process")
        try:
            record = self.orders.process(message)
        except Refused as refused:
            if refused.code in _PASSING:
                raise
            return framing.confirm_failure(message, iso(self.clock()), refused)
        return framing.answer(name, message, iso(self.clock()), "0000", "成功", record)

    def _check_sender(self, message: Message) -> None:
        if message.creator != "BFF":
            raise Refused("E1001", "未授权的发送方")
        if message.dealer != HEAD_OFFICE and message.dealer not in self.world.centres:
            raise Refused("E3006", "经销商不存在")
        if message.dealer == HEAD_OFFICE and message.name not in self.questions.known:
            raise Refused("E3006", "总部不受理单据")

    def _next_refusal(self, name: str) -> Refusal | None:
        for refusal in self.refusals:
            if refusal.times > 0 and refusal.match in name:
                refusal.times -= 1
                return refusal
        return None


async def _ping(_request: Request) -> Response:
    return JSONResponse({"system": NAME, "simulated": True})


def _running_from(start: datetime) -> Callable[[], datetime]:
    began = monotonic()
    return lambda: (start + timedelta(seconds=monotonic() - began)).replace(microsecond=0)
