"""Places at a system that the processes of one host share, as locked bytes of a file.

The kernel takes back what a killed process held, at once and without a lease to run out. A free place costs two system
calls; there is no daemon and nothing to configure but the folder.
"""

from __future__ import annotations

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir


def default_folder() -> Path:
    return Path(gettempdir()) / f"bff-{os.getuid()}"


class HostSlots:
    """`capacity` places at the system behind `address`, whichever process of this user asks."""

    def __init__(self, name: str, address: str, capacity: int, folder: Path | None = None) -> None:
        folder = folder or default_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user: name a folder in BFF_RUN_DIR")
        file = folder / f"{name}-{sha256(address.encode()).hexdigest()[:12]}.slots"
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._free = list(range(capacity))
        """Places that this process does not hold: its own locks would be granted to it again."""

    async def take(self, seconds: float) -> str | None:
        """A place, for as long as this process lives and keeps it."""
        for index, place in enumerate(self._free):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except OSError:
                continue
            del self._free[index]
            return str(place)
        return None

    def give(self, lease: str) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, int(lease))
        self._free.append(int(lease))

    async def aclose(self) -> None:
        os.close(self._file)
