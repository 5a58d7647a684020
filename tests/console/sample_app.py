"""A small server with the console over a schema of two fields, so that the page is tested apart from the estate."""

import json
from pathlib import Path

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bff.serving.console import ConsoleConfig, console_routes, load_examples, page, wants_html

TOKENS = {name: f"{name}-token" for name in ("guest", "owner", "adviser", "head-unit")}
CALLS = [
    {
        "system": system,
        "operation": operation,
        "keys": keys,
        "startMs": start,
        "durationMs": duration,
        "attempt": attempt,
        "round": level,
        "outcome": outcome,
    }
    for system, operation, keys, start, duration, attempt, level, outcome in [
        ("identity", "GetProfile", ["C1"], 0.4, 6.1, 1, 1, "200"),
        ("dms", "GetRepairOrder", ["RO1", "RO2"], 7.2, 21.0, 1, 2, "TIMEOUT"),
        ("dms", "GetRepairOrder", ["RO1", "RO2"], 30.5, 18.2, 2, 2, "200"),
    ]
]


def greeting(name: str = "世界") -> str:
    return f"你好，{name}"


def asked_by(info: strawberry.Info) -> str:
    return str(info.context["authorization"])


@strawberry.type
class Query:
    greeting: str = strawberry.field(resolver=greeting, description="A greeting in the language of the showroom.")
    asked_by: str = strawberry.field(resolver=asked_by, description="Who asks, as the server sees it.")


SCHEMA = strawberry.Schema(Query)


async def graphql(request: Request) -> Response:
    if wants_html(request.scope):
        return page(request.app.state.console)
    body = json.loads(await request.body())
    result = await SCHEMA.execute(
        body["query"],
        variable_values=body.get("variables"),
        operation_name=body.get("operationName"),
        context_value={"authorization": request.headers.get("authorization", "nobody")},
    )
    answer: dict[str, object] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if request.headers.get("bff-explain") == "1":
        answer["extensions"] = {"explain": {"calls": CALLS}}
    return JSONResponse(answer)


def sample_app(examples: Path) -> Starlette:
    config = ConsoleConfig(development=True, examples=load_examples(examples), tokens=lambda: TOKENS)
    app = Starlette(routes=[Route("/graphql", graphql, methods=["GET", "POST"]), *console_routes(config)])
    app.state.console = config
    return app
