"""Before and after, without a meter: estimates that end in the same footprint."""
