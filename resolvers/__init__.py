"""The GraphQL types and fields, one file a domain. Thin: a resolver names a port and shapes the answer."""
