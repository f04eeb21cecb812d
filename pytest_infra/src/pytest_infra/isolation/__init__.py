"""Isolation units: an isolation unit is the part of a service that belongs to one test.

The modules of this package are imported when a test needs them.
"""
