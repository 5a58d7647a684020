"""Serve the benchmark's schema at /graphql until told to stop."""

from __future__ import annotations

import argparse
import os

import uvicorn

from bff.serving.connection import server_options


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-base", type=int, required=True, help="port of the first of the five services")
    parser.add_argument("--engine", choices=("h1", "httpx"), default="h1", help="the way to the services")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--token-file", help="write an access token here that the gateway accepts (one worker only)")
    asked = parser.parse_args()
    os.environ["BENCH_UPSTREAM_BASE"] = str(asked.upstream_base)
    os.environ["BENCH_ENGINE"] = asked.engine
    if asked.token_file:
        os.environ["BENCH_TOKEN_FILE"] = asked.token_file
    uvicorn.run(
        "benchmarks.gateway.app:create",
        factory=True,
        host="127.0.0.1",
        port=asked.port,
        workers=asked.workers,
        loop="uvloop",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        **server_options(),
    )


if __name__ == "__main__":
    main()
