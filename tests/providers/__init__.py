"""The adapters, against providers that behave and providers that do not."""
