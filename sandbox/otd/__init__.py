"""The order-to-delivery feed, simulated."""
