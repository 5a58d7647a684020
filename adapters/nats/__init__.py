"""Events to NATS JetStream."""
