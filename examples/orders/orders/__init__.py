"""A small shop: orders over HTTP and gRPC."""
