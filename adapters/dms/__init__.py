"""The dealer management system: cars, warranties, workshop visits and bookings over SOAP."""
