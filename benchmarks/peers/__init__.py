"""The other gateways, each written as its own documentation does it, with its customary batching."""
