"""Sources of subscriptions: systems that cannot call us are asked from time to time, while somebody listens."""
