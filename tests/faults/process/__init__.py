"""Processes that are stopped, replaced and killed while they are asked."""
