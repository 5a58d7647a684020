"""The content service: signed bundles and their bytes, and what cars report of themselves (REST)."""
