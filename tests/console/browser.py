"""A headless Chromium for tests: the system's own, else one that ships inside an npm package (Linux x64).

The packaged one needs nothing of the system but its C library: NSS and expat come with it. It has no Chinese font;
text is still there to be read by tests, only a picture needs one (Debian: fonts-wqy-microhei).
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tools.nodejs import NodeToolError, ensure_npm, exclusive, node_binary, node_environment

_PACKAGE = Path(__file__).parent / "chromium"
_UNPACKED = _PACKAGE / "node_modules" / ".unpacked"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_UNPACK = "import chromium from '@sparticuz/chromium'; await chromium.executablePath();"
# The package's own configuration looks in fixed places under /tmp.
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>{unpacked}/fonts</dir>
  <cachedir>{unpacked}/fonts-cache</cachedir>
</fontconfig>
"""


class NoBrowser(RuntimeError):
    """No browser can be had here; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Chromium:
    executable: Path
    environment: dict[str, str] = field(default_factory=dict)


@cache
def find_chromium() -> Chromium:
    """The browser to use: $CHROMIUM, one on PATH, or the packaged one, in this order. Raises NoBrowser."""
    named = os.environ.get("CHROMIUM")
    installed = [named] if named else [path for name in _NAMES if (path := shutil.which(name))]
    if installed:
        return Chromium(Path(installed[0]))
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NoBrowser("install Chromium or Chrome, or name one in CHROMIUM=/path/to/chrome")
    try:
        return _packaged_chromium()
    except (NodeToolError, subprocess.CalledProcessError, OSError) as problem:
        advice = "install one (Debian: apt-get install chromium fonts-wqy-microhei) or set CHROMIUM=/path/to/chrome"
        raise NoBrowser(f"no browser: {advice}; the npm package failed too: {problem}") from problem


def _packaged_chromium() -> Chromium:
    ensure_npm(_PACKAGE)
    done = _UNPACKED / ".done"
    with exclusive(_UNPACKED):
        if not done.is_file():
            _UNPACKED.mkdir(exist_ok=True)
            # The package unpacks under TMPDIR, and its libraries only where it believes to be in this cloud runtime.
            where = {"TMPDIR": str(_UNPACKED), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}
            command = [str(node_binary()), "--input-type=module", "--eval", _UNPACK]
            subprocess.run(command, cwd=_PACKAGE, env={**node_environment(), **where}, check=True)
            (_UNPACKED / "fonts" / "fonts.conf").write_text(_FONTS.format(unpacked=_UNPACKED))
            done.touch()
    libraries = f"{_UNPACKED / 'al2023' / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    environment = {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_PATH": str(_UNPACKED / "fonts")}
    return Chromium(_UNPACKED / "chromium", environment)


@contextmanager
def launched() -> Iterator[Browser]:
    """A running browser, ended on leaving. Raises NoBrowser."""
    chromium = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable, env={**os.environ, **chromium.environment}, args=_ARGUMENTS
        )
        try:
            yield browser
        finally:
            browser.close()
