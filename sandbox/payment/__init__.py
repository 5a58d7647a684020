"""The simulated payment service: intents, refunds, and the providers behind it."""
