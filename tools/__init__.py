"""Development tooling that no running service imports."""
