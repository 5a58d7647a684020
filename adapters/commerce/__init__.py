"""The shop and car orders, as the commerce service answers them."""
