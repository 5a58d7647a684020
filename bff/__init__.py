"""The running service: one GraphQL schema over a car maker's estate."""
