"""Isolation units: the part of a service that one test uses. A module is imported when a test needs it."""
