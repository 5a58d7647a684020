"""`python -m tools.lint_schema [FILE]`: graphql-eslint's schema and relay presets over the printed schema."""

import json
import subprocess
import sys
from pathlib import Path

from tools.nodejs import NodeToolError, ensure_npm, node_binary, node_environment, say

ROOT = Path(__file__).resolve().parent.parent
_TOOLS = ROOT / "tools" / "node"
VALUE_TYPES = _TOOLS / "value_types.json"


def lint(schema: Path) -> list[str]:
    """Every problem as `line:column rule message`. Raises NodeToolError if the file cannot be linted."""
    schema = schema.resolve()
    if not schema.is_file():
        raise NodeToolError(f"{schema} is missing: run `make schema`")
    ensure_npm(_TOOLS)
    eslint = _TOOLS / "node_modules" / "eslint" / "bin" / "eslint.js"
    command = [str(node_binary()), str(eslint), "--config", str(_TOOLS / "eslint.config.js"), "--format=json"]
    # ESLint leaves alone what lies outside the directory it is started in.
    done = subprocess.run(  # noqa: S603 - our own binary and script
        [*command, str(schema)],
        cwd=schema.parent,
        env={**node_environment(), "GRAPHQL_SCHEMA": str(schema)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise NodeToolError(f"eslint failed:\n{done.stdout}{done.stderr}")
    (report,) = json.loads(done.stdout)
    return [
        f"{found.get('line', 1)}:{found.get('column', 1)} {found['ruleId']} {' '.join(found['message'].split())}"
        for found in report["messages"]
    ]


def main(arguments: list[str]) -> int:
    schema = Path(arguments[0]) if arguments else ROOT / "schema.graphql"
    try:
        problems = lint(schema)
    except NodeToolError as failure:
        say(str(failure))
        return 2
    for problem in problems:
        say(f"{schema}:{problem}")
    say(f"{schema}: {len(problems)} problems" if problems else f"{schema}: no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
