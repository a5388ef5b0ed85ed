"""Before and after, without a meter: what a run will cost, and what a past one cost."""
