"""The benchmark's schema on our own engine: `python -m benchmarks.gateway --port P --upstream-base B`."""
