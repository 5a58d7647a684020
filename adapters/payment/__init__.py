"""Payment intents and refunds, as the payment service answers them."""
