"""Isolation and clients of the kind `nats`."""
