"""Isolation and clients of the kind `postgres`."""
