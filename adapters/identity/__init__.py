"""The identity service behind `CustomerPort`."""
