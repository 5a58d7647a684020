"""`python -m console.build`: bundle the console into console/dist, skipped while its inputs are unchanged."""

import subprocess
import sys
from pathlib import Path

from console import DIST
from tools.nodejs import NodeToolError, ensure_npm, exclusive, fingerprint, node_binary, node_environment, say

HERE = Path(__file__).resolve().parent
_STAMP = DIST / ".built"


def inputs() -> list[Path]:
    """Every file that decides what the bundle contains."""
    roots = [HERE / name for name in ("package.json", "package-lock.json", "build.mjs", "index.html")]
    return roots + sorted(path for path in (HERE / "src").iterdir() if path.is_file())


def build() -> bool:
    """Bundle if anything changed; whether it did. Raises NodeToolError with the bundler's words."""
    ensure_npm(HERE)
    with exclusive(DIST):
        wanted = fingerprint(*inputs())
        if _STAMP.is_file() and _STAMP.read_text() == wanted:
            return False
        say("bundling the console with esbuild ...")
        done = subprocess.run(  # noqa: S603 - our own binary, our own script
            [node_binary(), HERE / "build.mjs"],
            cwd=HERE,
            env=node_environment(),
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode != 0:
            raise NodeToolError("the console was not built; the bundler's message is above")
        _STAMP.write_text(wanted)
        return True


def main() -> int:
    try:
        say(f"console built in {DIST}" if build() else "console is up to date")
    except NodeToolError as problem:
        say(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
