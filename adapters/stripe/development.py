"""Keys of the sandbox, which everybody knows: refused by name in production. `sandbox/stripe/keys.py` agrees."""

from __future__ import annotations

SECRET_KEY = "sk_test_development_only"  # noqa: S105 - a public name, no secret
SIGNING_SECRET = "whsec_development_only"  # noqa: S105
