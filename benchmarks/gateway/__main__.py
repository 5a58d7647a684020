"""Serve the benchmark's schema at /graphql until told to stop."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from benchmarks.gateway.app import new_key, token, warm_up
from bff.serving.connection import server_options
from bff.serving.workers import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-base", type=int, required=True, help="port of the first of the five services")
    parser.add_argument("--engine", choices=("h1", "httpx"), default="h1", help="the way to the services")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--token-file", help="write access tokens here that the gateway accepts, one a line")
    parser.add_argument("--callers", type=int, default=1, help="so many tokens, each another customer's")
    asked = parser.parse_args()
    os.environ["BENCH_UPSTREAM_BASE"] = str(asked.upstream_base)
    os.environ["BENCH_ENGINE"] = asked.engine
    if asked.token_file:
        key = new_key()  # the same in all workers
        Path(asked.token_file).write_text("\n".join([token(key, number) for number in range(asked.callers)]))
        os.environ["BENCH_KEY"] = orjson.dumps(key.as_dict(private=True)).decode()
    options: dict[str, Any] = {
        "factory": True,
        "host": "127.0.0.1",
        "port": asked.port,
        "workers": asked.workers,
        "loop": "uvloop",
        "log_level": "warning",
        "access_log": False,
        "timeout_keep_alive": 75,
        **server_options(),
    }
    if asked.workers == 1:
        uvicorn.run("benchmarks.gateway.app:create", **options)
    else:
        sys.exit(serve(uvicorn.Config("benchmarks.gateway.app:create", **options), warm_up))


if __name__ == "__main__":
    main()
