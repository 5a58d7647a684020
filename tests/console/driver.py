"""What a person does in the console, for tests and the screenshot: one page that can reach one host only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Request, Response, Route, expect


@dataclass
class Console:
    """The opened console, everything it asked for and everything it complained of."""

    base_url: str
    page: Page
    config: dict[str, Any]
    foreign: list[str] = field(default_factory=list)
    operations: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def persona(self) -> Locator:
        return self.page.get_by_label("Persona", exact=True)

    @property
    def explain(self) -> Locator:
        return self.page.get_by_label("BFF-Explain")

    @property
    def query(self) -> Locator:
        return self.page.get_by_role("region", name="Operation Editor").locator(".view-lines")

    @property
    def response(self) -> Locator:
        return self.page.get_by_role("region", name="Result Window").locator(".view-lines")

    def open(self, path: str = "/graphql") -> None:
        """Load the page as a browser does and wait until it knows the schema."""
        self.page.goto(self.base_url + path)
        expect(self.query).to_be_visible(timeout=20_000)
        expect(self.page.get_by_role("button", name="Re-fetch GraphQL schema")).to_be_enabled(timeout=20_000)

    def choose_example(self, name: str) -> None:
        self.page.get_by_label("Example", exact=True).select_option(name)
        expect(self.query).to_contain_text(name)

    def run(self) -> Response:
        """Execute the active tab; the answer, once it is shown."""
        with self.page.expect_response(lambda response: response.request in self.operations) as answered:
            self.page.get_by_role("button", name="Execute query").click()
        expect(self.response).to_contain_text("{")
        return answered.value

    def show(self, plugin: str) -> None:
        self.page.get_by_role("button", name=f"Show {plugin}").click()

    def token_of(self, persona: str) -> str:
        return next(str(entry["token"]) for entry in self.config["personas"] if entry["name"] == persona)


@contextmanager
def console_at(browser: Browser, base_url: str, **options: Any) -> Iterator[Console]:
    """The console of `base_url` in a fresh profile; requests to any other host are refused and noted."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
    try:
        config = context.request.get(f"{base_url}/console/config.json").json()
        console = Console(base_url, context.new_page(), config)
        host = urlsplit(base_url).netloc

        def gate(route: Route) -> None:
            if urlsplit(route.request.url).netloc == host:
                route.continue_()
            else:
                console.foreign.append(route.request.url)
                route.abort()

        def note(request: Request) -> None:
            if request.method == "POST" and '"IntrospectionQuery"' not in (request.post_data or ""):
                console.operations.append(request)

        context.route("**/*", gate)
        console.page.on("request", note)
        console.page.on("pageerror", lambda error: console.complaints.append(str(error)))
        console.page.on(
            "console", lambda said: console.complaints.append(said.text) if said.type in {"error", "warning"} else None
        )
        yield console
    finally:
        context.close()
