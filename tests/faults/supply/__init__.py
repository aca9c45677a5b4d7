"""What the service is made of, and whether it can be made again."""
