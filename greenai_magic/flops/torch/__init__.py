"""PyTorch: what a model dispatches, followed by shapes on a twin of it."""
