"""Orders and money: payments, vehicle orders, shop orders and bookings as durable flows over the ports."""
