"""OTD, the order-to-delivery feed: fixed-width status records that are late, doubled and out of order."""
