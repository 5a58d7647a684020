"""The simulated shop and car orders: catalogue, carts, merchandise orders, vehicle orders."""
