"""How we speak to each upstream: I/O in the adapter, meaning in the pure `*_wire` module beside it."""
