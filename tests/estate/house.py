"""The whole service over the whole sandbox, in one process and without a socket: every test has a world of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from adapters.transport.http import Engine, HttpxEngine
from adapters.transport.maintenance import Clock, utc_now
from bff import settings as settings_module
from bff.app import Application
from bff.composition import Services
from bff.durability.database import Script
from bff.orders.findings import Reconciled
from bff.settings import UpstreamAddress
from resolvers.relay import decode_id
from sandbox.estate import build_systems
from sandbox.identity.tokens import issue
from sandbox.kit.server import System
from sandbox.world import World, build_world

OPERATIONS = Path(__file__).resolve().parents[2] / "examples" / "operations"


class Answer:
    """A response, with what explain says of it."""

    def __init__(self, reply: httpx.Response) -> None:
        self.status = reply.status_code
        self.headers = reply.headers
        self.body: dict[str, Any] = orjson.loads(reply.content)

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def errors(self) -> list[dict[str, Any]]:
        errors: list[dict[str, Any]] = self.body.get("errors", [])
        return errors

    @property
    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.body["extensions"]["explain"]["calls"]
        return calls

    @property
    def rounds(self) -> int:
        rounds: int = self.body["extensions"]["explain"]["rounds"]
        return rounds

    def count(self) -> dict[str, int]:
        """Upstream calls by `system operation`; answers that were kept, or another request's, are none."""
        counted: dict[str, int] = {}
        for call in self.calls:
            if call["source"] != "network":
                continue
            name = f"{call['system']} {call['operation']}"
            counted[name] = counted.get(name, 0) + 1
        return dict(sorted(counted.items()))

    def codes(self) -> dict[str, str]:
        """Path → code of every error."""
        return {".".join(map(str, error["path"])): error["extensions"]["code"] for error in self.errors}


class Wire(httpx.ASGITransport):
    """A connection that can break: an application that ends before its response does is a peer that went away."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AssertionError as error:
            raise httpx.RemoteProtocolError("peer closed the connection") from error


class Door(httpx.AsyncBaseTransport):
    """How payment providers reach the service."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await httpx.ASGITransport(self._house.app).handle_async_request(request)


class House:
    """Ask the service as a persona; break a system; look at the world."""

    def __init__(
        self, *, today: date | None = None, clock: Clock | None = None, beside: House | None = None, **environ: str
    ) -> None:
        """`clock` is everybody's time: the service's and all systems'. `beside`: in front of that one's systems."""
        self.world: World = build_world(today=today) if beside is None else beside.world
        self.systems: dict[str, System] = (
            build_systems(self.world, clock=clock, transport=Door(self)) if beside is None else beside.systems
        )
        self.settings = settings_module.load({"BFF_EVENTS_URL": "none"} | environ)
        self.services = Services(self.settings, engine=self._engine, clock=clock or utc_now)
        self.app = Application(self.settings, services=self.services)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://bff.test")

    def _engine(self, address: UpstreamAddress) -> Engine:
        return HttpxEngine(httpx.AsyncClient(transport=Wire(self.systems[address.name])))

    async def ask(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        persona: str | None = "owner",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"bff-explain": "1", "accept": "application/graphql-response+json", **(headers or {})}
        if persona is not None:
            sent["authorization"] = f"Bearer {issue(persona)}"
        reply = await self.client.post("/graphql", json={"query": query, "variables": variables or {}}, headers=sent)
        return Answer(reply)

    async def example(self, name: str, **variables: Any) -> Answer:
        """An operation of examples/operations as its persona, with its variables, some of them replaced."""
        query = (OPERATIONS / f"{name}.graphql").read_text()
        path = OPERATIONS / f"{name}.variables.json"
        given = orjson.loads(path.read_bytes()) if path.exists() else {}
        persona = next(line.split(":")[1].strip() for line in query.splitlines() if line.startswith("# persona:"))
        return await self.ask(query, given | variables, persona=persona)

    async def fault(self, system: str, *faults: Mapping[str, Any]) -> None:
        """Set faults on a system, in place of those set before."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.systems[system])) as client:
            reply = await client.put("http://system.test/_faults", json={"faults": list(faults)})
            assert reply.status_code == 200, reply.text

    async def pay(
        self,
        payment_id: str,
        *,
        at: str = "wechatpay",
        result: str = "SUCCEEDED",
        notify: str = "once",
        action: Mapping[str, str] | None = None,
    ) -> None:
        """The customer pays at a provider, which tells the service as `notify` says; then all that follows is done."""
        charge = decode_id(payment_id, "Payment", "id")
        opened = (action or {}).get("url") or (action or {}).get("orderString")
        await self.pay_charge(charge, at=at, result=result, notify=notify, opened=opened)
        if notify != "never" and result == "SUCCEEDED":
            await self.until_told(charge)
        await self.settle()

    async def pay_charge(
        self, charge: str, *, at: str, result: str = "SUCCEEDED", notify: str = "once", opened: str | None = None
    ) -> None:
        """As soon as the provider knows of the charge. At Alipay the customer's app opens what the client was given."""
        said = {"result": result, "notify": notify} | ({"open": opened} if opened and at == "alipay" else {})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.systems[at])) as provider:
            for _ in range(400):
                reply = await provider.post(f"http://{at}.test/_pay/{charge}", json=said)
                if reply.status_code == 200:
                    return
                await asyncio.sleep(0.005)
            raise AssertionError(reply.text)

    async def until_told(self, charge: str) -> None:
        for _ in range(400):
            told = (await self.services.ordering.flows.states("payment", [charge]))[charge]
            if told.captured is not None or told.is_held:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"nobody told of {charge}")

    async def charges(self) -> list[str]:
        """Payments that the service has opened, also those whose mutation has not answered yet."""

        def script() -> Script[list[str]]:
            return [row[0] for row in (yield "SELECT id FROM bff_flow WHERE kind = 'payment'", ())]

        return await self.services.state.run(script, write=False)

    async def reconcile(self) -> Reconciled:
        ordering = self.services.ordering
        return await ordering.reconcile(ordering.flows.now - timedelta(days=8))

    async def settle(self) -> None:
        """Let the background do what is due: effects that no request waits for."""
        await self.services.ordering.flows.settle()

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.services.aclose()
