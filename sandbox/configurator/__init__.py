"""The configurator: what can be built, under Boolean rules over option codes, and at what price."""
