"""The identity service: OpenID Connect tokens, customers, consents, points and garages over REST."""
