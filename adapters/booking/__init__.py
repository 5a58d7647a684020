"""The booking service: workshop visits of the pilot regions, and the public directory of centres (REST)."""
