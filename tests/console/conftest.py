"""A served console and a browser to look at it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser

from bff.app import Application
from bff.dev import tokens
from console.build import build
from tests.console.browser import NoBrowser, launched
from tests.console.driver import Console, console_at
from tests.console.sample_app import sample_app
from tests.estate.house import House

EXAMPLES = {
    "Greeting.graphql": """# persona: owner
# says hello
query Greeting($name: String!) {
  greeting(name: $name)
}
""",
    "Greeting.variables.json": '{"name": "王小明"}',
    "WhoAsks.graphql": "query WhoAsks {\n  askedBy\n}\n",
}


def the_service() -> Application:
    """The real application over the whole sandbox, all in this process."""
    house = House()
    known = dict(tokens())  # the same ones at each load, so that a test can tell them
    return Application(house.settings, services=house.services, tokens=lambda: known)


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("operations")
    for name, text in EXAMPLES.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


SAMPLE, SERVICE, NAMED = "sample", "service", "named"


@pytest.fixture(scope="session", params=[NAMED] if "CONSOLE_URL" in os.environ else [SAMPLE, SERVICE])
def served(request: pytest.FixtureRequest) -> str:
    """What serves the console: a sample app, the service over the sandbox, or what runs at CONSOLE_URL."""
    return str(request.param)


@pytest.fixture(scope="session")
def base_url(served: str, examples: Path) -> Iterator[str]:
    """Where the console is."""
    if served == NAMED:
        yield os.environ["CONSOLE_URL"].rstrip("/")
        return
    build()
    app = sample_app(examples) if served == SAMPLE else the_service()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; without one the test is skipped, but fails where CI says that there must be one.

    It ends with the module, since Playwright keeps an event loop running in this thread as long as it lives.
    """
    try:
        with launched() as running:
            yield running
    except NoBrowser as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def console(browser: Browser, base_url: str) -> Iterator[Console]:
    with console_at(browser, base_url) as opened:
        yield opened
