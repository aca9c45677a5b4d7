"""The stores: one contract for all, and what is Redis's alone."""
