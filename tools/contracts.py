"""Writes the OpenAPI documents of the simulated services again: `python -m tools.contracts [name …]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox.world import World, build_world

CONTRACTS = Path(__file__).parents[1] / "docs" / "contracts"
SANDBOX = Path(__file__).parents[1] / "sandbox"


def maker(name: str) -> Callable[[World], dict[str, Any]] | None:
    """The function of a service that makes its document; None for systems that speak something else."""
    app = import_module(f"sandbox.{name}.app")
    found = (getattr(app, candidate, None) for candidate in ("openapi", "contract"))
    return next((function for function in found if callable(function)), None)


def main(names: list[str]) -> None:
    world = build_world()
    for name in names or sorted(path.parent.name for path in SANDBOX.glob("*/app.py")):
        make = maker(name)
        if make is not None:
            text = json.dumps(make(world), indent=2, ensure_ascii=False)
            (CONTRACTS / f"{name}.openapi.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
