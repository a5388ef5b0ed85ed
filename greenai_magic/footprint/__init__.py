"""Impacts: pure functions of quantities. No clock, no device, no network."""
