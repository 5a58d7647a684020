"""Run the gateways side by side and write docs/performance.md.

Every gateway is one process on one core; the load and the services behind are on another. In each round every gateway
runs once, in shuffled order; ratios are taken inside a round, so that what disturbs the machine disturbs all alike.
Before anything is timed, each answer is compared with the right one, and upstream calls and rounds are counted with
every upstream answer 60 ms late.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson

from benchmarks import report
from benchmarks.gateways import BASELINE, GATEWAYS, headers_for, launch, tokens_of
from benchmarks.lab import LAB, ROOT, NodeToolError, Process, ask, load, say, stopping
from benchmarks.workloads import QUERIES, World, expected

DOCUMENT = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance"
DELAY_MS = 60


class Bench:
    """One run: who takes part, on which ports, and what was found."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.upstream_port: int = asked.port
        self.ports = {name: asked.port + 100 + number for number, name in enumerate(asked.gateways)}
        self.running: list[Process] = []
        self.processes: dict[str, Process] = {}
        self.upstream: Process | None = None
        self.checks: report.Checks = {workload: {} for workload in asked.workloads}
        self.samples: report.Samples = []
        self.left_out: dict[str, str] = {}
        self._expected = expected(World())
        self._random = Random()

    def run(self) -> None:
        with stopping(self.running):
            self._start()
            for workload in self.asked.workloads:
                able = [name for name in self.processes if self._check(name, workload)]
                for name in able:
                    self._measure(name, workload, self.asked.warmup)
                for round_ in range(self.asked.rounds):
                    self._random.shuffle(able)
                    for name in able:
                        self.samples.append(self._measure(name, workload, self.asked.seconds) | {"round": round_})
                    say(f"{workload}: round {round_ + 1} of {self.asked.rounds}")

    def _start(self) -> None:
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.upstream", "--port", str(self.upstream_port)]
        self.upstream = Process("upstream", command, self.asked.load_core, {})
        self.running.append(self.upstream)
        self.upstream.wait_for(self.upstream_port)
        for name, port in self.ports.items():
            say(f"starting {name}")
            try:
                process = launch(name, port, self.upstream_port, self.asked.core)
            except (NodeToolError, RuntimeError, OSError) as reason:
                self.left_out[name] = str(reason).splitlines()[0]
                say(f"{name} is left out: {reason}")
                continue
            self.processes[name] = process
            self.running.append(process)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{GATEWAYS[name].path}"

    def _control(self, what: str) -> Any:
        return orjson.loads(ask(f"http://127.0.0.1:{self.upstream_port}/_{what}")[1])

    def _quiet(self) -> None:
        """Wait until the calls of requests that were cut off have died away."""
        while True:
            before = self._control("calls")
            time.sleep(0.15)
            if self._control("calls") == before:
                return

    def _body(self, workload: str) -> Path:
        LAB.mkdir(exist_ok=True)
        file = LAB / f"{workload}.json"
        file.write_bytes(orjson.dumps({"query": QUERIES[workload]}))
        return file

    def _check(self, name: str, workload: str) -> bool:
        """Compare the answer, count the calls. A gateway that answers wrongly is not timed."""
        body, headers = (
            self._body(workload).read_bytes(),
            dict(h.split("=", 1) for h in headers_for(name, self.ports[name])),
        )
        for _ in range(3):
            status, answer = ask(self._url(name), body, headers)
        said = orjson.loads(answer)
        is_right = status == 200 and not said.get("errors") and said.get("data") == self._expected[workload]
        self._quiet()
        self._control(f"delay?ms={DELAY_MS}")
        self._control("reset")
        ask(self._url(name), body, headers)
        calls, arrivals = self._control("calls")["calls"], sorted(self._control("trace"))
        self._control("delay?ms=0")
        gap = DELAY_MS / 1000 * 0.75
        rounds = sum(1 for before, at in zip([-1.0, *arrivals], arrivals, strict=False) if at - before > gap)
        self.checks[workload][name] = {"right": is_right, "calls": calls, "rounds": rounds, "bytes": len(answer)}
        say(f"{workload:10} {name:16} {'right' if is_right else 'WRONG'}  calls {calls}  rounds {rounds}")
        return is_right

    def _measure(self, name: str, workload: str, seconds: float) -> dict[str, Any]:
        assert self.upstream is not None
        process = self.processes[name]
        self._quiet()
        self._control("reset")
        spent, spent_upstream = process.cpu_seconds(), self.upstream.cpu_seconds()
        found = load(
            self._url(name), self._body(workload), tokens_of(name, self.ports[name]), self.asked.connections, seconds,
            self.asked.load_core,
        )  # fmt: skip
        spent, spent_upstream = process.cpu_seconds() - spent, self.upstream.cpu_seconds() - spent_upstream
        requests = max(1, found["requests"])
        return {
            "gateway": name, "workload": workload, "rps": requests / found["seconds"], "cpu_us": spent / requests * 1e6,
            "core": spent / found["seconds"], "upstream_core": spent_upstream / found["seconds"],
            "p50": found["p50"], "p99": found["p99"], "bad": found["bad"], "memory": process.memory_mb(),
            "calls": self._control("calls")["calls"] / requests,
        }  # fmt: skip


def write(bench: Bench) -> str:
    """The text between the markers; plot and samples go beside the document."""
    baseline = BASELINE if BASELINE in bench.processes else next(iter(bench.processes))
    by_workload = {workload: report.rows_of(bench.samples, workload, baseline) for workload in bench.asked.workloads}
    asked = bench.asked
    said = [
        f"{datetime.now(UTC):%Y-%m-%d}, CPython {platform.python_version()}, {os.cpu_count()} cores;"
        f" {asked.rounds} rounds of {asked.seconds:g} s, {asked.connections} connections, one process on one core each."
        f" × is the ratio to *{GATEWAYS[baseline].title}* inside the same round, the median over rounds.",
    ]
    for workload, rows in by_workload.items():
        busiest = max(row["upstream_core"] for row in rows)
        said += [
            f"### {workload}", f"`{QUERIES[workload]}`", report.table(rows, bench.checks[workload]),
            f"The services behind used {busiest:.2f} of their core at most.",
        ]  # fmt: skip
    if bench.left_out:
        said.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in bench.left_out.items()) + ".")
    if asked.write:
        FIGURES.mkdir(exist_ok=True)
        (FIGURES / "gateways.svg").write_text(report.plot(by_workload, baseline))
        (FIGURES / "samples.json").write_bytes(
            orjson.dumps({"checks": bench.checks, "samples": _rounded(bench.samples)})
        )
        report.insert(DOCUMENT, "benchmark", "\n\n".join(said))
    return "\n\n".join(said)


def _rounded(samples: report.Samples) -> report.Samples:
    return [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in sample.items()}
        for sample in samples
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    usual = [name for name, gateway in GATEWAYS.items() if gateway.by_default]
    listed = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--gateways", type=listed, default=usual, help=f"of {', '.join(GATEWAYS)}")
    parser.add_argument("--workloads", type=listed, default=list(QUERIES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each gateway in each round")
    parser.add_argument("--warmup", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--core", type=int, default=0, help="of the gateways")
    parser.add_argument("--load-core", type=int, default=1, help="of the load and of the services behind")
    parser.add_argument("--port", type=int, default=18100, help="first of some two hundred that are used")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print, leave docs/performance.md alone")
    asked = parser.parse_args()
    bench = Bench(asked)
    bench.run()
    print(write(bench))
    return 0 if all(check["right"] for checks in bench.checks.values() for check in checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
