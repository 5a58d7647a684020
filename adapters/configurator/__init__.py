"""The configurator service: REST, bulk reads, public but for saving."""
