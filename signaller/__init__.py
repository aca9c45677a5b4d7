"""Realtime WebRTC signalling: short-lived tokens, SDP answers, no key near a browser."""

__version__ = "0.1.0"
