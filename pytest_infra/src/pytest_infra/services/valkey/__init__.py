"""Isolation and clients of the kind `valkey`."""
