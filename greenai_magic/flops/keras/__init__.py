"""Keras 3: the same count for one model, whatever its backend."""
