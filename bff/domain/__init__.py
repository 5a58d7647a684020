"""What the service speaks about: one file a domain, its words and its port. Knows no wire, no framework."""
