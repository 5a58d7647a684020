"""The plants' manufacturing execution system, simulated."""
