"""A small shop: orders over HTTP."""
