"""Which system answers, while one replaces another: rules, and routers that stand where an adapter would."""
