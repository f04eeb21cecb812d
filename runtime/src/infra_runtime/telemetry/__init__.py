"""The telemetry service: a receiver for OTLP over HTTP and gRPC, a store of records, and a query API.

The service runs in its own process; the supervisor does not import this package.
"""

from __future__ import annotations

#: the name of the header with the key, in requests of exporters and for the query API
KEY_HEADER = "x-otlp-api-key"
#: the path of the requests that store alerts or return stored alerts
ALERTS = "/api/v1/alerts"
#: the name of the port for OTLP over gRPC, and the library that serves HTTP/2 on it
GRPC_PORT, GRPC_LIBRARY = "otlp_grpc", "hypercorn"
#: the largest number of seconds for which a query can wait for its first row
LONGEST_WAIT = 60.0

#: OTLP's numbers. Source: opentelemetry/proto/trace/v1/trace.proto
SPAN_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
SPAN_STATUSES = ("unset", "ok", "error")
