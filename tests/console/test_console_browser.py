"""The console in a real browser that can reach one host only: a sample app's, the service's, or that at CONSOLE_URL."""

import base64
import json
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.console.conftest import SAMPLE
from tests.console.driver import Console, console_at

pytestmark = pytest.mark.browser


@pytest.fixture
def on_sample_app(served: str) -> None:
    """For tests that ask the sample app's own schema."""
    if served != SAMPLE:
        pytest.skip("asks the sample app's own schema")


def who(token: str) -> str:
    """Whom a bearer token stands for: tokens are made anew at each load, their subject stays."""
    parts = token.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return token.removeprefix("Bearer ")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return str(claims["sub"])


def test_the_page_loads_nothing_from_another_host_and_breaks_no_policy(console: Console) -> None:
    console.open()
    console.choose_example(console.config["examples"][0]["name"])
    console.run()
    console.show("Documentation Explorer")
    expect(console.page.get_by_role("region", name="Documentation Explorer")).to_be_visible()
    assert console.foreign == []
    assert console.complaints == []


def test_both_addresses_show_the_console(console: Console) -> None:
    console.open("/console")
    expect(console.page.get_by_role("heading", name="Auto BFF")).to_be_visible()
    assert console.page.title() == "Auto BFF · GraphiQL"


def test_every_example_runs_as_its_persona(console: Console) -> None:
    console.open()
    examples = [entry for entry in console.config["examples"] if entry["persona"]]
    assert examples
    for example in examples:
        console.choose_example(example["name"])
        expect(console.persona).to_have_value(example["persona"])
        answer = console.run()
        assert who(answer.request.headers["authorization"]) == who(console.token_of(example["persona"]))
        asked = json.loads(answer.request.post_data or "")
        assert (asked["operationName"], asked.get("variables", {})) == (example["name"], example["variables"])
        assert "errors" not in answer.json()


@pytest.mark.parametrize("persona", ["guest", "owner", "adviser", "head-unit"])
def test_a_chosen_persona_is_sent_and_stays_over_a_reload(console: Console, persona: str) -> None:
    console.open()
    console.persona.select_option(persona)
    console.open()
    expect(console.persona).to_have_value(persona)
    assert who(console.run().request.headers["authorization"]) == who(console.token_of(persona))


def test_a_first_visit_finds_the_first_example_ready_to_run(console: Console) -> None:
    example = console.config["examples"][0]
    console.open()
    asked = json.loads(console.run().request.post_data or "")
    assert (asked["query"], asked.get("variables", {})) == (example["query"], example["variables"])


def test_opening_examples_adds_tabs(console: Console) -> None:
    console.open()
    names = [entry["name"] for entry in console.config["examples"]][:2]
    for name in names:
        console.choose_example(name)
    tabs = console.page.get_by_role("tablist").get_by_role("tab")
    expect(tabs).to_have_count(3)
    expect(tabs.last).to_contain_text(names[-1])


def test_explained_calls_are_drawn_as_a_waterfall(console: Console) -> None:
    console.open()
    console.explain.check()
    console.choose_example(console.config["examples"][0]["name"])
    assert console.run().request.headers["bff-explain"] == "1"
    expect(console.page.get_by_label("Upstream calls of the last run")).to_contain_text(re.compile(r"\d+ calls? · "))
    console.show("Upstream Calls")
    table = console.page.get_by_role("table", name=re.compile(console.config["examples"][0]["name"]))
    expect(table.get_by_role("row").nth(1)).to_be_visible()


def test_without_the_switch_no_explanation_is_asked_for(console: Console) -> None:
    console.open()
    console.explain.uncheck()
    console.choose_example(console.config["examples"][0]["name"])
    assert "bff-explain" not in console.run().request.headers
    console.show("Upstream Calls")
    expect(console.page.get_by_role("region", name="Upstream calls")).to_contain_text("Tick BFF-Explain")


def test_the_explorer_lists_the_schema(console: Console) -> None:
    console.open()
    console.show("GraphiQL Explorer")
    fields = console.page.locator(".graphiql-explorer-root")
    expect(fields).to_be_visible()
    expect(fields.locator(".graphiql-explorer-node").first).to_be_visible()


@pytest.mark.usefixtures("on_sample_app")
def test_chinese_text_goes_out_and_comes_back(console: Console) -> None:
    console.open()
    console.choose_example("Greeting")
    console.run()
    expect(console.response).to_contain_text("你好，王小明")


@pytest.mark.usefixtures("on_sample_app")
def test_prettify_mends_the_query_and_its_variables(console: Console) -> None:
    console.open()
    console.choose_example("Greeting")
    console.query.click()
    console.page.keyboard.press("Control+A")
    console.page.keyboard.insert_text('query   Greeting { greeting (name : "x" )}')
    console.page.get_by_role("button", name="Prettify query").click()
    expect(console.query).to_contain_text('greeting(name: "x")')
    assert console.complaints == []


@pytest.mark.usefixtures("on_sample_app")
def test_a_typed_header_wins_over_the_persona(console: Console) -> None:
    console.open()
    console.choose_example("WhoAsks")
    console.page.get_by_role("button", name="Headers", exact=True).click()
    console.page.get_by_role("region", name="Headers").locator(".graphiql-editor:not(.hidden)").click()
    console.page.keyboard.insert_text('{"authorization": "Bearer mine"}')
    console.run()
    expect(console.response).to_contain_text("Bearer mine")


@pytest.mark.usefixtures("on_sample_app")
def test_the_waterfall_tells_rounds_attempts_and_failures(console: Console) -> None:
    console.open()
    console.explain.check()
    console.choose_example("Greeting")
    console.run()
    console.show("Upstream Calls")
    rows = console.page.get_by_role("table", name=re.compile("Greeting 3 calls · 2 rounds · 49 ms")).get_by_role("row")
    expect(rows).to_have_count(4)
    expect(rows.nth(2)).to_contain_text("TIMEOUT")
    expect(rows.nth(3)).to_contain_text("attempt 2")
    expect(rows.nth(3)).to_contain_text("2 keys")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system(browser: Browser, base_url: str, scheme: str) -> None:
    with console_at(browser, base_url, color_scheme=scheme) as console:
        console.open()
        ground = console.page.locator("#bar").evaluate("bar => getComputedStyle(bar).backgroundColor")
        brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) / 3
        assert (brightness < 128) == (scheme == "dark")
