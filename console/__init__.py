"""GraphiQL and the request waterfall, built from npm packages and served by ourselves."""

from pathlib import Path

DIST = Path(__file__).parent / "dist"
