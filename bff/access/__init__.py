"""Who asks: bearer tokens, and the callers that they prove."""
