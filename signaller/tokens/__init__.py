"""What a client holds: tokens, and what is derived from the same keys."""
