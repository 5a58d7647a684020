"""The simulated service-booking service, which also keeps the public directory of centres."""
