"""Which operations are run: limits, cost, trusted documents, rates (docs/operations.md)."""
