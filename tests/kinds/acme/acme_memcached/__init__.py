"""Memcached for pytest-infra, as another distribution would ship it."""
