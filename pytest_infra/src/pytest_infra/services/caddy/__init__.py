"""Isolation and clients of the kind `caddy`."""
