"""Keys that everybody knows, for development only. `adapters/stripe/development.py` has the same."""

from __future__ import annotations

SECRET_KEY = "sk_test_development_only"  # noqa: S105 - a public name, no secret
SIGNING_SECRET = "whsec_development_only"  # noqa: S105
