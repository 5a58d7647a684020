"""What the network sees: /graphql, content bytes, health, the console."""
