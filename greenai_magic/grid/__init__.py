"""LIVE INTENSITY of a grid, asked of its operator: the only room that speaks to the network, when called."""
