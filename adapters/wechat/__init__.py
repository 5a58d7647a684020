"""WeChat logins: a mini-program's code becomes a token of our own issuer."""
