"""`python -m tests.console.screenshot --url http://127.0.0.1:8000`: the console's picture for the documentation."""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import expect

from tests.console.browser import NoBrowser, launched
from tests.console.driver import console_at

DEFAULT = Path(__file__).resolve().parents[2] / "docs" / "graphiql.png"


def take(url: str, example: str | None, scheme: str, to: Path) -> None:
    """Run `example` (the first that has a persona unless named) with its upstream calls shown, and take the picture."""
    with launched() as browser, console_at(browser, url, color_scheme=scheme) as console:
        console.open()
        name = example or next(entry["name"] for entry in console.config["examples"] if entry["persona"])
        console.explain.check()
        if name not in console.query.inner_text():
            console.choose_example(name)
        console.run()
        console.show("Upstream Calls")
        expect(console.page.get_by_role("region", name="Upstream calls").get_by_role("table")).to_be_visible()
        console.page.mouse.move(0, 0)
        console.page.wait_for_timeout(500)
        console.page.screenshot(path=to)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service runs")
    parser.add_argument("--example", help="which example to run")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--to", type=Path, default=DEFAULT)
    options = parser.parse_args()
    try:
        take(options.url.rstrip("/"), options.example, options.scheme, options.to)
    except NoBrowser as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    sys.stderr.write(f"wrote {options.to}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
