"""The self-hosted GraphiQL: its page, its hashed assets, and what the page needs to know about this server.

GET /graphql and GET /console show the same page. Content negotiation (RFC 9110 section 12.5.1) decides whether a GET of
/graphql means the page: a browser prefers text/html, an API client does not.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike, stat_result
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import console

# Monaco adds <style> elements for its themes, hence inline styles; fonts and icons are data: URLs in the style sheet.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Auto BFF</title>
<h1>The console is not built</h1>
<p>Run <code>make console</code>, then reload this page. The API itself works: POST a query to this address.</p>
"""
_OPERATION = re.compile(r"^\s*(?:query|mutation|subscription)\s+([_A-Za-z][_0-9A-Za-z]*)", re.MULTILINE)
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_PERSONA = re.compile(r"persona:\s*(\S+)")


@dataclass(frozen=True, slots=True)
class Example:
    """One operation in the page's menu; `persona` is who it is asked as, None for whoever is chosen."""

    name: str
    title: str
    query: str
    variables: Mapping[str, Any]
    headers: Mapping[str, str]
    persona: str | None


def _no_tokens() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """What the page may know.

    `tokens` gives persona → bearer token. It is asked each time the page loads, so that none is handed out expired, and
    only when `development` is set; otherwise the page has neither personas nor the explain switch.
    """

    development: bool = False
    endpoint: str = "/graphql"
    examples: tuple[Example, ...] = ()
    tokens: Callable[[], Mapping[str, str]] = field(default=_no_tokens)
    dist: Path = console.DIST


def load_examples(directory: Path) -> tuple[Example, ...]:
    """Every NAME.graphql by name, with NAME.variables.json and NAME.headers.json beside it where they exist.

    Comment lines before the operation are read: `# persona: owner` names who asks, the first other one is the title.
    Raises ValueError naming the file when a JSON file is not an object. A directory that is not there has no examples.
    """
    return tuple(_load_example(path) for path in sorted(directory.glob("*.graphql")))


def _load_example(path: Path) -> Example:
    query = path.read_text(encoding="utf-8")
    comments: list[str] = []
    for line in query.splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("# ").rstrip())
    personas = [found[1] for comment in comments if (found := _PERSONA.fullmatch(comment))]
    titles = [comment for comment in comments if comment and not _PERSONA.fullmatch(comment)]
    operation = _OPERATION.search(query)
    name = operation[1] if operation else path.stem
    return Example(
        name=name,
        title=f"{name} — {titles[0]}" if titles else name,
        query=query,
        variables=_load_object(path.with_suffix(".variables.json")),
        headers=_load_object(path.with_suffix(".headers.json")),
        persona=personas[0] if personas else None,
    )


def _load_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{path}: {problem}") from problem
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object")
    return value


def wants_html(scope: Scope) -> bool:
    """Whether a request for /graphql is a browser asking for the page rather than a client asking a question."""
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
        return False
    if parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys() & {"query", "extensions"}:
        return False
    ranges = _accept_ranges(",".join(Headers(scope=scope).getlist("accept")))
    json_quality = max(_quality(ranges, "application", kind) for kind in ("json", "graphql-response+json"))
    return _quality(ranges, "text", "html") > json_quality


def _accept_ranges(accept: str) -> dict[str, float]:
    """Media range → quality; a malformed quality is passed over, a range with parameters matches nothing of ours."""
    ranges: dict[str, float] = {}
    for element in filter(None, accept.lower().split(",")):
        parts = [part.strip() for part in element.split(";")]
        quality = next((part[2:] for part in parts if part.startswith("q=")), "1")
        if _QUALITY.fullmatch(quality):
            ranges[";".join(part for part in parts if not part.startswith("q="))] = float(quality)
    return ranges


def _quality(ranges: Mapping[str, float], kind: str, subtype: str) -> float:
    """The most specific range that matches decides; without an Accept header everything is as welcome."""
    if not ranges:
        return 1.0
    return next((ranges[r] for r in (f"{kind}/{subtype}", f"{kind}/*", "*/*") if r in ranges), 0.0)


def page(config: ConsoleConfig) -> Response:
    """GraphiQL's page, or how to build it (503)."""
    index = config.dist / "index.html"
    if not index.is_file():
        return HTMLResponse(_NOT_BUILT, status_code=503, headers=_PAGE_HEADERS)
    return HTMLResponse(index.read_text(encoding="utf-8"), headers=_PAGE_HEADERS)


def page_config(config: ConsoleConfig) -> dict[str, Any]:
    """The body of /console/config.json."""
    tokens = config.tokens() if config.development else {}
    examples = [
        {
            "name": example.name,
            "title": example.title,
            "query": example.query,
            "variables": example.variables,
            "headers": example.headers,
            "persona": example.persona,
        }
        for example in config.examples
    ]
    return {
        "endpoint": config.endpoint,
        "explain": config.development,
        "personas": [{"name": name, "token": token} for name, token in tokens.items()],
        "examples": examples,
    }


def console_routes(config: ConsoleConfig) -> list[BaseRoute]:
    """/console, /console/config.json and /console/assets/…; /graphql answers `page(config)` when `wants_html`."""

    async def show_page(request: Request) -> Response:
        return page(config)

    async def show_config(request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
        return JSONResponse(page_config(config), headers=headers)

    return [
        Route("/console", show_page),
        Route("/console/config.json", show_config),
        Mount("/console/assets", _HashedFiles(directory=config.dist / "assets", check_dir=False)),
    ]


class _HashedFiles(StaticFiles):
    """Files whose names change with their content, so that a browser never has to ask again."""

    async def check_config(self) -> None:
        """The directory may be built while the server runs; until then every asset is simply not found."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
