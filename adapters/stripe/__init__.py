"""Cards over the Stripe API. It is spoken as HTTP: nothing here uses Stripe's library, which has the same name."""
