"""Stripe from its own side: PaymentIntents, Checkout Sessions, refunds and signed webhooks, in memory."""
