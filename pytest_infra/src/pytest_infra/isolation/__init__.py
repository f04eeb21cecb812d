"""Isolation: what each test has of a service for itself. Nothing here is imported before a test asks."""
