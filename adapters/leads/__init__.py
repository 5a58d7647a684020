"""The leads service: REST, bulk reads, test drives."""
