"""Leads and test drives: stores' slots with capacity, one lead per phone and model in 30 days."""
