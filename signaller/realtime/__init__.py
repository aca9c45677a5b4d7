"""What happens: mints, calls, their ends, and what decides on them. Without I/O of its own."""
