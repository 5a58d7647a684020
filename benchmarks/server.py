"""How services that are measured are served: as `bff serve` serves, forked from one parent where they are several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn

from bff.serving.connection import server_options
from bff.serving.workers import Companion, serve


def run(
    factory: str,
    port: int,
    workers: int,
    warm_up: Callable[[], object],
    *,
    companion: Companion | None = None,
    **more: Any,
) -> int:
    """Blocks until told to stop. Returns the exit code. `more` are uvicorn's options, beside ours or instead."""
    options: dict[str, Any] = {
        "factory": True,
        "host": "127.0.0.1",
        "port": port,
        "workers": workers,
        "loop": "uvloop",
        "log_level": "warning",
        "access_log": False,
        "timeout_keep_alive": 75,
        **server_options(),
        **more,
    }
    if workers == 1:
        uvicorn.run(factory, **options)
        return 0
    return serve(uvicorn.Config(factory, **options), warm_up, companion)
