"""Metrics: counts, durations, what is scraped, and what Prometheus makes of it."""
