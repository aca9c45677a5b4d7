"""The HTTP surface: routes, handlers, one error renderer, middleware."""
