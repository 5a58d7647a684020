"""A customer's app, and the customer: outside of the service, so what they know outlives it.

A mutation is sent with the same key until there is an answer that is no "try again".
"""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx

from resolvers.relay import decode_id
from sandbox.identity.tokens import issue
from tests.orders.crashes.board import Board
from tests.orders.crashes.service import Service
from tests.orders.crashes.systems import DESK

TRIES = 8
PAUSE_SECONDS = 10

PAY = """mutation($order: ID!, $purpose: PaymentPurpose!, $provider: PaymentProvider!, $scene: PaymentScene!,
  $amount: MinorUnits!, $key: String!) {
  createPayment(input: {orderId: $order, purpose: $purpose, provider: $provider, scene: $scene,
    amount: {amountMinor: $amount}, idempotencyKey: $key}) { entity { id status } userErrors { code message } } }"""
PROVIDERS = {"WECHAT_PAY": ("wechatpay", "NATIVE"), "CARD": ("stripe", "H5")}


class NotDone(Exception):
    """The service does not come to an end with it."""


class Client:
    def __init__(self, service: Service, board: Board, addresses: dict[str, str], persona: str) -> None:
        self._service, self._board, self._addresses, self._persona = service, board, addresses, persona
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://bff.test")
        self._world = httpx.AsyncClient(trust_env=False, verify=False)  # nothing to load: it is all plain HTTP

    async def aclose(self) -> None:
        await self._http.aclose()
        await self._world.aclose()

    # ── the app ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One answer. Its `errors` are all it has where there is nothing else."""
        headers = {"authorization": f"Bearer {issue(self._persona)}", "accept": "application/graphql-response+json"}
        reply = await self._http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        body: dict[str, Any] = reply.json()
        return body

    async def do(self, query: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation, asked for until there is one. Raises NotDone."""
        body: dict[str, Any] = {}
        for _ in range(TRIES):
            body = await self.ask(query, **variables)
            if "errors" not in body:
                payload: dict[str, Any] = next(iter(body["data"].values()))
                return payload
            self._board.pass_by(seconds=PAUSE_SECONDS)
            await self._service.background()
        raise NotDone(json.dumps(body["errors"], ensure_ascii=False)[:2000])

    async def make(self, query: str, **variables: Any) -> dict[str, Any]:
        """What a mutation has made. Raises NotDone where it was refused."""
        payload = await self.do(query, **variables)
        if payload["userErrors"] or not payload["entity"]:
            raise NotDone(json.dumps(payload, ensure_ascii=False)[:2000])
        entity: dict[str, Any] = payload["entity"]
        return entity

    def know(self, **more: Any) -> None:
        self._board.memory = self._board.memory | more

    def known(self, name: str) -> Any:
        return self._board.memory[name]

    async def begin_to_pay(self, purpose: str, amount: int, provider: str = "WECHAT_PAY", name: str = "") -> None:
        name = name or purpose.lower()
        scene, key = PROVIDERS[provider][1], f"pay-{name}-0001"
        payment = await self.make(
            PAY, order=self.known("order"), purpose=purpose, provider=provider, scene=scene, amount=amount, key=key
        )
        self.know(**{name: decode_id(payment["id"], "Payment", "id"), f"{name} provider": provider})

    # ── the customer, and what else happens outside ──────────────────────────────────────────────────────────────────

    async def pay(self, name: str) -> None:
        """At the provider. Nobody pays twice: that it was done already is no error."""
        system = PROVIDERS[self.known(f"{name} provider")][0]
        reply = await self.outside("POST", system, f"/_pay/{self.known(name)}", {"result": "SUCCEEDED"})
        assert reply.status_code in (200, 400, 409), reply.text

    async def outside(self, method: str, system: str, path: str, body: Any = None) -> httpx.Response:
        return await self._world.request(method, self._addresses[system] + path, json=body)

    async def deliver(self) -> None:
        """Providers' notifications. What is too old to be believed is told again with a new signature, as they do."""
        if not await self._deliver():
            for name, provider in PROVIDERS.items():
                paid_there = [key for key, value in self._board.memory.items() if value == name]
                for key in paid_there:
                    payment = self.known(key.removesuffix(" provider"))
                    await self.outside("POST", provider[0], f"/_notify/{payment}", {})
            await self._deliver()

    async def _deliver(self) -> bool:
        """One after the other; False: not all were taken."""
        statuses: list[int] = []
        while letters := (await self.outside("GET", DESK, "/letters")).json():
            letter = letters[0]
            headers, body = json.loads(letter["headers"]), base64.b64decode(letter["body"])
            reply = await self._http.post(letter["path"], content=body, headers=headers)
            statuses.append(reply.status_code)
            await self.outside("DELETE", DESK, "/letters")
        return all(status < 300 for status in statuses)
