"""The simulated WeChat Pay: API v3 from the provider's side, and its notifications."""
