"""What was measured, as a table and a plot in docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.gateways import GATEWAYS

Samples = list[dict[str, Any]]
Checks = dict[str, dict[str, dict[str, Any]]]

BAR, GAP, LEFT, WIDTH = 18, 6, 250, 760
_INK, _OURS, _OTHERS = "#333333", "#0b6e4f", "#8fa6b2"


def rows_of(samples: Samples, workload: str, baseline: str) -> list[dict[str, Any]]:
    """One row for each gateway, the fastest first. Ratios are taken inside a round, and their median is shown."""
    rounds: dict[int, dict[str, dict[str, Any]]] = {}
    for sample in samples:
        if sample["workload"] == workload:
            rounds.setdefault(sample["round"], {})[sample["gateway"]] = sample
    names = {name for measured in rounds.values() for name in measured}
    rows = []
    for name in names:
        mine = [(measured[name], measured[baseline]) for measured in rounds.values() if name in measured]
        own = [sample for sample, _ in mine]
        rows.append({
            "gateway": name,
            "ratio": median(sample["rps"] / base["rps"] for sample, base in mine),
            "per_cpu": median(base["cpu_us"] / sample["cpu_us"] for sample, base in mine),
            "bad": sum(sample["bad"] for sample in own),
            **{key: median(sample[key] for sample in own)
               for key in ("rps", "cpu_us", "core", "p50", "p99", "memory", "calls", "upstream_core")},
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["ratio"])


def table(rows: list[dict[str, Any]], checks: dict[str, dict[str, Any]]) -> str:
    head = [
        "gateway", "× requests/s", "× requests/CPU-s", "requests/s", "CPU µs a request", "core used",
        "p50 ms", "p99 ms", "PSS MB", "calls", "rounds", "calls under load", "failed",
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        check = checks[row["gateway"]]
        cells = [
            GATEWAYS[row["gateway"]].title, f"{row['ratio']:.1f}", f"{row['per_cpu']:.1f}", f"{row['rps']:.0f}",
            f"{row['cpu_us']:.0f}", f"{row['core']:.2f}", f"{row['p50']:.1f}", f"{row['p99']:.1f}",
            f"{row['memory']:.0f}", str(check["calls"]), str(check["rounds"]), f"{row['calls']:.2f}", str(row["bad"]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(by_workload: dict[str, list[dict[str, Any]]], baseline: str) -> str:
    """Horizontal bars of requests per second, as multiples of the baseline; SVG without scripts or fonts of its own."""
    parts: list[str] = []
    y = 24
    for workload, rows in by_workload.items():
        parts.append(_text(8, y, f"{workload}: requests per second, {GATEWAYS[baseline].title} = 1", bold=True))
        y += 14
        most = max(row["ratio"] for row in rows)
        for row in rows:
            width = max(1.0, row["ratio"] / most * (WIDTH - LEFT - 60))
            colour = _OURS if row["gateway"] == "ours" else _OTHERS
            title = GATEWAYS[row["gateway"]].title.strip("*")
            parts.append(_text(LEFT - 8, y + BAR - 5, title, anchor="end"))
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            parts.append(_text(LEFT + width + 6, y + BAR - 5, f"{row['ratio']:.1f}"))
            y += BAR + GAP
        y += 30
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    style = f'font-family="sans-serif" font-size="13" fill="{_INK}"'
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" {style}{weight}>{escape(text)}</text>'


def insert(document: Path, marker: str, text: str) -> None:
    """Put `text` between `<!-- marker -->` and `<!-- end marker -->`. Raises ValueError where they are missing."""
    begin, end = f"<!-- {marker} -->", f"<!-- end {marker} -->"
    before, found, rest = document.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document} has no place for {marker}")
    document.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")
