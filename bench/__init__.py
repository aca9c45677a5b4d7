"""What the service costs, beside the plainest servers that could do the same: `make bench`."""
