"""The labour catalogue: what a workshop does, how long it takes and what the parts cost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from .entities import Estimate, EstimateLine, Job, Operation, PayType, Text
from .table import rows
from .world import World

LABOUR_FEN_PER_HOUR = 28_000

# op code | zh | en | hours | parts in yuan
_OPERATIONS = """
1000|首次保养|First service|0.8|0
1010|年度保养|Annual service|1.2|260
1020|空调滤芯更换|Cabin filter|0.3|180
1030|制动液更换|Brake fluid|0.6|150
1040|冷却液更换|Coolant|1.0|320
1050|雨刮更换|Wiper blades|0.2|160
2000|四轮定位|Wheel alignment|1.0|0
2010|轮胎更换（单条）|Tyre, one|0.4|980
2020|四轮换位|Tyre rotation|0.5|0
2030|制动片更换（前）|Front brake pads|1.1|760
3000|高压系统检查|High-voltage check|0.9|0
3010|电池健康检测|Battery health test|0.7|0
3020|充电口维修|Charge port repair|1.6|1280
4000|软件升级|Software update|0.5|0
4010|摄像头标定|Camera calibration|1.2|0
4020|中控屏更换|Display replacement|1.8|4200
5000|钣金喷漆（单幅）|Paint, one panel|4.5|600
5010|前保险杠更换|Front bumper|2.2|2400
6000|空调制冷不良诊断|Air conditioning diagnosis|1.0|0
6010|异响诊断|Noise diagnosis|1.0|0
9000|交付前检查|Pre-delivery inspection|2.0|0
9010|召回：线束加固|Recall: harness support|0.8|90
"""


def add_operations(world: World) -> None:
    for code, zh, en, hours, yuan in rows(_OPERATIONS):
        world.operations[code] = Operation(code, Text(zh, en), Decimal(hours), int(yuan) * 100)


def job(world: World, op_code: str, pay_type: PayType = "CUSTOMER") -> Job:
    """A job of the catalogue; a customer pays nothing for WARRANTY and INTERNAL ones, yet the amounts stand."""
    operation = world.operations[op_code]
    return Job(
        op_code=op_code,
        text=operation.name,
        hours=operation.hours,
        pay_type=pay_type,
        labour_fen=int(operation.hours * LABOUR_FEN_PER_HOUR),
        parts_fen=operation.parts_fen,
    )


def payable(jobs: list[Job]) -> int:
    """What the customer pays for the jobs, in fen incl. VAT."""
    return sum(j.labour_fen + j.parts_fen for j in jobs if j.pay_type == "CUSTOMER")


def estimate_of(version: int, jobs: list[Job], created_at: datetime, approved_at: datetime | None) -> Estimate:
    """An estimate over the jobs that the customer pays for."""
    payers = [j for j in jobs if j.pay_type == "CUSTOMER"]
    lines = tuple(EstimateLine(j.op_code, j.text, j.labour_fen + j.parts_fen) for j in payers)
    return Estimate(version, lines, sum(line.amount_fen for line in lines), created_at, approved_at)
