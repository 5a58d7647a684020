"""The simulated Alipay: gateway, cashier, and notifications, signed with RSA2."""
