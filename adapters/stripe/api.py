"""Requests to Stripe: who we are, which version we speak, under which key a write may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from adapters.transport.operation import Operation
from adapters.transport.rest import query
from adapters.transport.upstream import Upstream

from . import form as forms
from .replies_wire import read
from .settings import StripeSettings

T = TypeVar("T")


class StripeApi:
    def __init__(self, upstream: Upstream, settings: StripeSettings) -> None:
        self._upstream = upstream
        self.name = upstream.name
        self._headers = {
            "authorization": f"Bearer {settings.secret_key}",
            "stripe-version": settings.api_version,
            "accept": "application/json",
        }

    async def get(
        self,
        operation: Operation,
        path: str,
        kind: type[T],
        *parameters: tuple[str, str | int | None],
        keys: Sequence[str] = (),
    ) -> T:
        """Raises StripeRefusal, or BffError."""
        reply = await self._upstream.call(
            operation, "GET", f"/v1/{path}{query(parameters)}", keys=keys, headers=self._headers
        )
        return read(self.name, operation, reply, kind)

    async def post(
        self, operation: Operation, path: str, form: forms.Form, kind: type[T], *, key: str, keys: Sequence[str] = ()
    ) -> tuple[T, bool]:
        """The object, and whether it is what Stripe answered the first time: then it may have changed since.

        Stripe keeps the first answer to a key for at least 24 hours, errors included.
        """
        headers = {**self._headers, "content-type": "application/x-www-form-urlencoded", "idempotency-key": key}
        reply = await self._upstream.call(
            operation, "POST", f"/v1/{path}", keys=keys, headers=headers, body=forms.encode(form)
        )
        return read(self.name, operation, reply, kind), reply.headers.get("idempotent-replayed") == "true"
