"""What the comparison of workers says of what was measured."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.workers import heading, share_of_a_core, table


def found(rps: float) -> dict[str, float]:
    return {"rps": rps, "cpu_us": 350.0, "cores": 0.35, "p99": 50.0}


def test_ratio_is_taken_inside_each_round_before_the_median() -> None:
    rounds = [{1: found(100), 2: found(200)}, {1: found(1000), 2: found(1900)}, {1: found(10), 2: found(21)}]
    one, two = table(rounds, [1, 2], 0.35).splitlines()[2:]
    assert one.startswith("| 1 | 0.35 | 1.00 | 100 |")
    assert two.startswith("| 2 | 0.35 | 2.00 | 200 |")


def test_heading_and_table_say_whether_there_were_quotas() -> None:
    assert "0.35 of a core" in heading(0.35)
    assert "No quotas" in heading(0.0)
    assert "| 1 | – | 1.00 |" in table([{1: found(100)}], [1], 0.0)


@pytest.mark.parametrize("text", ["-1", "0.01", "1.5", "nan"])
def test_share_that_a_worker_cannot_have_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        share_of_a_core(text)


def test_no_share_means_no_quota() -> None:
    assert (share_of_a_core("0"), share_of_a_core("0.35")) == (0.0, 0.35)
