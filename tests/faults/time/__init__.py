"""Clocks that differ, that step, and the moment at which a token is over."""
