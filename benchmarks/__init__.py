"""Measurements: what a request costs, here and in other gateways. `make bench` writes docs/performance.md."""
