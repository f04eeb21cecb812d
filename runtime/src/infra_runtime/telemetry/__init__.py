"""The telemetry service: a receiver for OTLP over HTTP, a store of records, and a query API.

The service runs in its own process; the supervisor imports nothing of this package.
"""
