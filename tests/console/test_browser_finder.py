"""Which browser the tests take, and what they say when there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console import browser
from tools.nodejs import NodeToolError


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CHROMIUM", raising=False)
    browser.find_chromium.cache_clear()
    yield
    browser.find_chromium.cache_clear()


def offer(directory: Path, name: str) -> Path:
    program = directory / name
    program.touch(mode=0o755)
    return program


def test_a_named_browser_is_taken_before_an_installed_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(tmp_path, "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", "/opt/mine/chrome")
    assert browser.find_chromium() == browser.Chromium(Path("/opt/mine/chrome"))


def test_an_installed_browser_is_taken_before_the_packaged_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chrome = offer(tmp_path, "google-chrome")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.find_chromium() == browser.Chromium(chrome)


def test_where_no_package_fits_the_advice_is_to_name_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(browser.NoBrowser, match="CHROMIUM=/path/to/chrome"):
        browser.find_chromium()


def test_a_failed_install_advises_the_system_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(directory: Path) -> None:
        raise NodeToolError("registry out of reach")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(browser, "ensure_npm", refuse)
    with pytest.raises(browser.NoBrowser, match=r"apt-get install chromium.*registry out of reach"):
        browser.find_chromium()
