"""WeChat Pay, API v3: charges, refunds and notifications, signed and verified."""
