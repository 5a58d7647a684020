"""What the console's routes answer, and which GET of /graphql is a browser's."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bff.serving.console import ConsoleConfig, Example, console_routes, load_examples, wants_html

pytestmark = pytest.mark.anyio

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
EXAMPLE = Example("Home", "Home", "query Home { me }", {"n": 1}, {"x-brand": "aurora"}, "owner")


def graphql_get(accept: str | None, query: str = "", method: str = "GET") -> dict[str, Any]:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return {"type": "http", "method": method, "query_string": query.encode(), "headers": headers}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (CHROME, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*, application/json;q=0.5", True),
        ("application/json;q=0.9, text/html;q=0.95", True),
        ("text/html;level=1;q=0.7, application/*;q=0.2", False),
        ("application/json", False),
        ("application/graphql-response+json, text/html;q=0.9", False),
        ("text/html;q=0.5, application/json;q=0.9", False),
        ("text/html, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=loud, application/json;q=0.1", False),
        ("*/*", False),
        ("", False),
        (None, False),
    ],
)
def test_the_page_is_for_whoever_prefers_html_to_json(accept: str | None, expected: bool) -> None:
    assert wants_html(graphql_get(accept)) is expected


@pytest.mark.parametrize("query", ["query=%7Bme%7D", "query=", "operationName=A&query=%7Bme%7D", "extensions=%7B%7D"])
def test_a_get_with_an_operation_is_a_question_even_from_a_browser(query: str) -> None:
    assert not wants_html(graphql_get(CHROME, query))


@pytest.mark.parametrize("query", ["", "utm=1", "myquery=1"])
def test_other_parameters_do_not_make_a_question(query: str) -> None:
    assert wants_html(graphql_get(CHROME, query))


def test_a_post_is_never_asking_for_the_page() -> None:
    assert not wants_html(graphql_get(CHROME, method="POST"))
    assert wants_html(graphql_get(CHROME, method="HEAD"))


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    directory = tmp_path / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<title>Auto BFF</title>")
    (directory / "assets" / "console-AB12.js").write_text("export {}")
    (directory / "secret.txt").write_text("not served")
    return directory


def client(config: ConsoleConfig) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=console_routes(config)))
    return httpx.AsyncClient(transport=transport, base_url="http://bff")


async def test_the_page_is_locked_down_and_never_cached_blindly(dist: Path) -> None:
    async with client(ConsoleConfig(dist=dist)) as http:
        answer = await http.get("/console")
    assert (answer.status_code, answer.text) == (200, "<title>Auto BFF</title>")
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert not any("unsafe-eval" in sources or "http" in sources for sources in policy.values())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["vary"] == "Accept"


async def test_an_asset_is_kept_for_ever_and_revalidates_by_etag(dist: Path) -> None:
    async with client(ConsoleConfig(dist=dist)) as http:
        first = await http.get("/console/assets/console-AB12.js")
        again = await http.get("/console/assets/console-AB12.js", headers={"if-none-match": first.headers["etag"]})
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["missing.js", "", "../secret.txt", "%2e%2e/secret.txt", "../index.html"])
async def test_nothing_but_assets_is_served_beside_the_page(dist: Path, path: str) -> None:
    async with client(ConsoleConfig(dist=dist)) as http:
        assert (await http.get(f"/console/assets/{path}")).status_code == 404


async def test_an_unbuilt_console_says_how_to_build_it(tmp_path: Path) -> None:
    async with client(ConsoleConfig(dist=tmp_path / "none")) as http:
        answer = await http.get("/console")
        asset = await http.get("/console/assets/console.js")
    assert answer.status_code == 503
    assert "make console" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert asset.status_code == 404


async def test_development_offers_personas_with_fresh_tokens(dist: Path) -> None:
    minted = iter(["t1", "t2"])
    config = ConsoleConfig(True, examples=(EXAMPLE,), tokens=lambda: {"owner": next(minted)}, dist=dist)
    async with client(config) as http:
        first = await http.get("/console/config.json")
        second = await http.get("/console/config.json")
    assert first.headers["cache-control"] == "no-store"
    assert first.json() == {
        "endpoint": "/graphql",
        "explain": True,
        "personas": [{"name": "owner", "token": "t1"}],
        "examples": [
            {
                "name": "Home",
                "title": "Home",
                "query": "query Home { me }",
                "variables": {"n": 1},
                "headers": {"x-brand": "aurora"},
                "persona": "owner",
            }
        ],
    }
    assert second.json()["personas"] == [{"name": "owner", "token": "t2"}]


async def test_outside_development_no_token_is_minted(dist: Path) -> None:
    def mint() -> dict[str, str]:
        raise AssertionError("a token was asked for")

    async with client(ConsoleConfig(examples=(EXAMPLE,), tokens=mint, dist=dist)) as http:
        answer = (await http.get("/console/config.json")).json()
    assert (answer["personas"], answer["explain"]) == ([], False)
    assert answer["examples"][0]["name"] == "Home"


def test_examples_bring_what_lies_beside_them(tmp_path: Path) -> None:
    query = (
        "# Everything the first screen shows\n# persona: owner\n\nquery AppHome($vin: ID!) { node(id: $vin) { id } }\n"
    )
    (tmp_path / "AppHome.graphql").write_text(query)
    (tmp_path / "AppHome.variables.json").write_text('{"vin": "LDCA1AB57SB000001"}')
    (tmp_path / "AppHome.headers.json").write_text('{"BFF-Country": "CN"}')
    (tmp_path / "Plain.graphql").write_text("fragment F on Query { id }\nmutation Book { id }\n")
    (tmp_path / "notes.md").write_text("not an operation")
    home, plain = load_examples(tmp_path)
    assert home == Example(
        name="AppHome",
        title="AppHome — Everything the first screen shows",
        query=query,
        variables={"vin": "LDCA1AB57SB000001"},
        headers={"BFF-Country": "CN"},
        persona="owner",
    )
    assert (plain.name, plain.title, plain.variables, plain.persona) == ("Book", "Book", {}, None)


@pytest.mark.parametrize("text", ["{", "[1]", "null"])
def test_broken_variables_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "A.graphql").write_text("query A { id }")
    (tmp_path / "A.variables.json").write_text(text)
    with pytest.raises(ValueError, match=r"A\.variables\.json"):
        load_examples(tmp_path)


def test_a_missing_directory_has_no_examples(tmp_path: Path) -> None:
    assert load_examples(tmp_path / "none") == ()
