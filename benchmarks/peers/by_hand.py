"""The same answers without GraphQL: a plain ASGI handler for each, over the engine that our gateway uses.

It checks no token, plans nothing, keeps no deadline and knows three answers: what is left to gain, not a gateway.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from adapters.transport.h1 import H1Engine
from adapters.transport.http import HttpRequest
from bff.serving.tuning import settle

BASE = int(os.environ.get("BENCH_UPSTREAM_BASE", "18100"))
engine = H1Engine()
HEADERS = {"accept": "application/json"}
Row = dict[str, Any]


async def get(service: int, path: str) -> Any:
    reply = await engine.send(
        HttpRequest(method="GET", url=f"http://127.0.0.1:{BASE + service}{path}", headers=HEADERS), 5.0
    )
    if reply.status != 200:
        raise RuntimeError(f"{path} answered {reply.status}")
    return orjson.loads(reply.body)


async def posts() -> Row:
    rows = await get(0, "/posts")
    wanted = "&".join([f"id={key}" for key in dict.fromkeys([row["userId"] for row in rows])])
    users = {
        row["id"]: {"id": row["id"], "name": row["name"], "email": row["email"]}
        for row in await get(0, f"/users?{wanted}")
    }
    return {"posts": [{"id": row["id"], "title": row["title"], "user": users[row["userId"]]} for row in rows]}


async def visits(vins: str) -> dict[str, Row]:
    rows = await get(3, f"/services?{vins}")
    wanted = "&".join([f"id={key}" for key in dict.fromkeys([row["centerId"] for row in rows])])
    centers = {row["id"]: {"id": row["id"], "name": row["name"]} for row in await get(3, f"/centers?{wanted}")}
    return {row["vin"]: {"at": row["at"], "center": centers[row["centerId"]]} for row in rows}


async def aggregate() -> Row:
    me, cart = await asyncio.gather(get(1, "/customer/me"), get(4, "/cart"))
    vins = "&".join(["vin=" + row["vin"] for row in me["vehicles"]])
    rows, services = await asyncio.gather(get(2, f"/orders?{vins}"), visits(vins))
    orders = {
        row["vin"]: {
            "id": row["id"],
            "status": row["status"],
            "milestones": [{"code": stage["code"], "at": stage["at"]} for stage in row["milestones"]],
        }
        for row in rows
    }
    return {
        "me": {
            "id": me["id"],
            "name": me["name"],
            "vehicles": [
                {
                    "vin": row["vin"],
                    "model": row["model"],
                    "order": orders[row["vin"]],
                    "nextService": services[row["vin"]],
                }
                for row in me["vehicles"]
            ],
        },
        "cart": {
            "lines": [
                {"sku": line["sku"], "title": line["title"], "qty": line["qty"], "price": line["price"]}
                for line in cart["lines"]
            ],
            "total": cart["total"],
        },
    }


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        settle()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await engine.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    query = orjson.loads(body)["query"]
    data = await posts() if "posts" in query else await aggregate() if "cart" in query else {"greet": "Hello World!"}
    out = orjson.dumps({"data": data})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": out})
