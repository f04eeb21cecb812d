"""Isolation and clients of the kind `pocketbase`."""
