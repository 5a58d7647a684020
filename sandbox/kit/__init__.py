"""What every simulated system shares: an app with faults, a server that counts connections, JSON conventions."""
