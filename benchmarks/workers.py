"""Two workers beside one: `python -m benchmarks.workers`.

The gateway runs with one worker and with two, free to use every core; in each round both are loaded, in turn. Where
load and services need the same cores, requests a second cannot double, whatever the gateway does. CPU time a request
says the same on any machine: it is no more with two workers than with one where they do not wait for each other.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median

import orjson

from benchmarks.gateways import GATEWAYS, headers_for, token_file
from benchmarks.lab import LAB, Process, load, say, stopping
from benchmarks.workloads import QUERIES

Found = dict[str, float]


def start(workers: int, port: int, upstream: int) -> Process:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.gateway", "--port", str(port)]
    command += ["--upstream-base", str(upstream), "--workers", str(workers), "--token-file", token_file(port)]
    process = Process(f"workers-{workers}", command, None, {})
    try:
        process.wait_for(port)
    except RuntimeError:
        process.stop()
        raise
    return process


def measure(process: Process, port: int, asked: argparse.Namespace, seconds: float) -> Found:
    """Requests a second, CPU microseconds a request, cores in use. Raises RuntimeError where a request failed."""
    body = LAB / "workers.json"
    body.write_bytes(orjson.dumps({"query": QUERIES[asked.workload]}))
    url, before = f"http://127.0.0.1:{port}{GATEWAYS['ours'].path}", process.cpu_seconds()
    found = load(url, body, headers_for("ours", port), asked.connections, seconds, asked.load_core)
    spent = process.cpu_seconds() - before
    if found["bad"] or not found["requests"]:
        raise RuntimeError(f"{found['bad']:.0f} requests failed, {found['requests']:.0f} were answered")
    return {
        "rps": found["requests"] / found["seconds"],
        "cpu_us": spent / found["requests"] * 1e6,
        "cores": spent / found["seconds"],
        "p99": found["p99"],
    }


def table(rounds: list[dict[int, Found]], workers: list[int]) -> str:
    """Medians over the rounds; × is the ratio to the first row inside the same round."""
    lines = ["| workers | × requests/s | requests/s | CPU µs a request | cores used | p99 ms |", "| --- " * 6 + "|"]
    for number in workers:
        of = {name: median(each[number][name] for each in rounds) for name in rounds[0][number]}
        ratio = median(each[number]["rps"] / each[workers[0]]["rps"] for each in rounds)
        lines.append(
            f"| {number} | {ratio:.2f} | {of['rps']:.0f} | {of['cpu_us']:.0f} | {of['cores']:.2f} | {of['p99']:.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], help="the first is what the others are beside"
    )
    parser.add_argument("--workload", choices=QUERIES, default="aggregate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--load-core", type=int, default=(os.cpu_count() or 1) - 1, help="of the load and the services")
    parser.add_argument("--port", type=int, default=18_800)
    asked = parser.parse_args()
    running: list[Process] = []
    with stopping(running):
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.upstream", "--port", str(asked.port)]
        upstream = Process("workers-upstream", command, asked.load_core, {})
        running.append(upstream)
        upstream.wait_for(asked.port)
        ports = {number: asked.port + 100 + number for number in asked.workers}
        gateways = {number: start(number, port, asked.port) for number, port in ports.items()}
        running += gateways.values()
        rounds: list[dict[int, Found]] = []
        for round_ in range(asked.rounds + 1):
            found = {number: measure(gateways[number], ports[number], asked, asked.seconds) for number in asked.workers}
            if round_:  # the first warms up
                rounds.append(found)
            say(f"round {round_} of {asked.rounds}")
    print(table(rounds, asked.workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
