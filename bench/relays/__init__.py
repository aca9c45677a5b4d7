"""The plainest servers that could do one step: no authentication, no cryptography, no limits."""
