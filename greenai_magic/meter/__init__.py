"""Joules: counters, windows, and what belongs to whom. Knows nothing of carbon, notebooks or storage."""
