"""Very many requests, some of them bad, and what they leave behind."""
