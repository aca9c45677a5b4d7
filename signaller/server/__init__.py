"""uvicorn, run as this service needs it."""
