"""What must be true after a crash: state that outlives requests, processes and machines (docs/orders.md)."""
