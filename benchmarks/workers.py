"""Two workers beside one: `python -m benchmarks.workers`.

The gateway runs with one worker and with two; in each round both are loaded, in turn. Load and services need the same
cores, and leave two workers less than twice what they leave one. So every worker gets the same share of a core, small
enough that all together leave the load what it takes, and what the second worker brings is told by requests a second:
twice as many, where workers do not wait for each other. Where the system lets us set no quotas, or with `--share 0`,
workers take what is left, and only CPU time a request, which is no more with two than with one, says the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import orjson

from benchmarks.gateways import GATEWAYS, token_file, tokens_of
from benchmarks.lab import LAB, START_SECONDS, Process, load, say, stopping
from benchmarks.quotas import PERIOD_US, SMALLEST, NoQuotas, quotas
from benchmarks.workloads import QUERIES

Found = dict[str, float]


def start(workers: int, port: int, upstream: int) -> Process:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.gateway", "--port", str(port)]
    command += ["--upstream-base", str(upstream), "--workers", str(workers), "--token-file", token_file(port)]
    process = Process(f"workers-{workers}", command, None, {})
    try:
        process.wait_for(port)
        settle(process, workers)
    except RuntimeError:
        process.stop()
        raise
    return process


def settle(process: Process, workers: int) -> None:
    """Until all workers are there and done with starting, which a quota would draw out. Raises RuntimeError."""
    ends, spent = time.monotonic() + START_SECONDS, -1.0
    while time.monotonic() < ends:
        before, spent = spent, process.cpu_seconds()
        if len(process.workers()) >= workers and spent - before < 0.005:
            return
        time.sleep(0.3)
    raise RuntimeError(f"{process.name} did not come to rest with {workers} workers")


def measure(process: Process, port: int, asked: argparse.Namespace, seconds: float) -> Found:
    """Requests a second, CPU microseconds a request, cores in use.

    Raises RuntimeError where a request failed, or a worker was replaced, who would not be held to its share.
    """
    workers = process.workers()
    body = LAB / "workers.json"
    body.write_bytes(orjson.dumps({"query": QUERIES[asked.workload]}))
    url, before = f"http://127.0.0.1:{port}{GATEWAYS['ours'].path}", process.cpu_seconds()
    found = load(url, body, tokens_of("ours", port), asked.connections, seconds, asked.load_core)
    spent = process.cpu_seconds() - before
    if found["bad"] or not found["requests"]:
        raise RuntimeError(f"{found['bad']:.0f} requests failed, {found['requests']:.0f} were answered")
    if process.workers() != workers:
        raise RuntimeError(f"{process.name}: a worker was replaced ({workers} were {process.workers()} at the end)")
    return {
        "rps": found["requests"] / found["seconds"],
        "cpu_us": spent / found["requests"] * 1e6,
        "cores": spent / found["seconds"],
        "p99": found["p99"],
    }


def heading(share: float) -> str:
    if share:
        return (
            f"Every worker has {share:g} of a core and no more (control groups, cut every {PERIOD_US // 1000} ms): × is"
            " what workers bring, where *cores used* is all that they were given."
        )
    return (
        f"No quotas: workers take what load and services leave of {len(os.sched_getaffinity(0))} cores, and × says how "
        "much that was. What workers bring is told by CPU time a request."
    )


def table(rounds: list[dict[int, Found]], workers: list[int], share: float) -> str:
    """Medians over the rounds; × is the ratio to the first row inside the same round."""
    lines = [
        "| workers | share of a core each | × requests/s | requests/s | CPU µs a request | cores used | p99 ms |",
        "| --- " * 7 + "|",
    ]
    for number in workers:
        of = {name: median(each[number][name] for each in rounds) for name in rounds[0][number]}
        ratio = median(each[number]["rps"] / each[workers[0]]["rps"] for each in rounds)
        lines.append(
            f"| {number} | {share or '–'} | {ratio:.2f} | {of['rps']:.0f} | {of['cpu_us']:.0f} | {of['cores']:.2f} "
            f"| {of['p99']:.1f} |"
        )
    return "\n".join(lines)


def share_of_a_core(text: str) -> float:
    share = float(text)
    if share and not SMALLEST <= share <= 1:
        raise argparse.ArgumentTypeError(f"0 for no quota, or from {SMALLEST} to 1")
    return share


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], help="the first is what the others are beside"
    )
    parser.add_argument("--workload", choices=QUERIES, default="aggregate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--share", type=share_of_a_core, default=0.35, help="of a core for each worker; 0: no quota")
    parser.add_argument("--load-core", type=int, default=(os.cpu_count() or 1) - 1, help="of the load and the services")
    parser.add_argument("--port", type=int, default=18_800)
    asked = parser.parse_args()
    running: list[Process] = []
    with ExitStack() as stack:
        share = asked.share
        if share:
            try:
                give = stack.enter_context(quotas(share))
            except NoQuotas as error:
                say(f"no quotas: {error}")
                share = 0.0
        stack.enter_context(stopping(running))  # before the groups are removed, which have to be empty
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.upstream", "--port", str(asked.port)]
        upstream = Process("workers-upstream", command, asked.load_core, {})
        running.append(upstream)
        upstream.wait_for(asked.port)
        gateways: dict[int, Process] = {}
        for number in asked.workers:
            gateways[number] = start(number, asked.port + 100 + number, asked.port)
            running.append(gateways[number])
            if share:
                for pid in gateways[number].workers():
                    give(pid)
        rounds: list[dict[int, Found]] = []
        for round_ in range(asked.rounds + 1):
            found = {
                number: measure(gateway, asked.port + 100 + number, asked, asked.seconds)
                for number, gateway in gateways.items()
            }
            if round_:  # the first warms up
                rounds.append(found)
            say(f"round {round_} of {asked.rounds}")
    print(heading(share))
    print()
    print(table(rounds, asked.workers, share))
    return 0


if __name__ == "__main__":
    sys.exit(main())
