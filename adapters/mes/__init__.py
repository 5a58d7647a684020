"""MES, the plants' manufacturing execution system: B2MML V0701, one production order a call."""
