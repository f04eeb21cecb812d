"""An HTTP server for the metrics of a NATS server in the format of Prometheus.

`python -m infra_runtime.nats_metrics HOST PORT` answers `GET /metrics` with numbers in `/varz` of the
server's monitor. The address of the monitor is the value of the variable `NATS_MONITOR_URL`, because the path
of this address is a secret. If the monitor does not answer with JSON, the status is 503.

The names of the metrics are those of prometheus-nats-exporter.
Sources: NATS documentation, "Monitoring"; Prometheus documentation, "Exposition formats".
"""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "NATS_MONITOR_URL"
PREFIX = "gnatsd_varz"
#: seconds to wait for an answer of the monitor
PATIENCE = 5.0
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(values: Mapping[str, Any]) -> str:
    """Return the numbers of an answer of `/varz`, also in nested objects, in the format of Prometheus.

    Negative numbers and numbers in lists are omitted.
    """
    return "".join(
        f"# TYPE {name} gauge\n{name} {number}\n" for name, number in _numbers(PREFIX, values) if number >= 0
    )


def _numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    for key, value in values.items():
        name = f"{prefix}_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"
        if isinstance(value, Mapping):
            yield from _numbers(name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


def read(url: str) -> dict[str, Any]:
    """Return the answer of the monitor at `URL/varz`.

    Raises `OSError` if the monitor does not answer with the status 200, `ValueError` if the answer is not
    JSON.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        connection.request("GET", f"{parts.path}/varz")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise ConnectionError(f"the monitor answers with the status {response.status}")
        body = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(repr(error)) from error
    finally:
        connection.close()
    values: dict[str, Any] = json.loads(body)
    return values


class Handler(BaseHTTPRequestHandler):
    """The handler of HTTP requests to the exporter."""

    def do_GET(self) -> None:
        """Answer a request: metrics at `/metrics`, status 404 elsewhere, 503 if `read` fails."""
        if self.path != "/metrics":
            self._answer(http.client.NOT_FOUND, "the metrics are at /metrics\n")
            return
        try:
            text = exposition(read(os.environ[VARIABLE]))
        except (OSError, ValueError) as error:
            self._answer(http.client.SERVICE_UNAVAILABLE, f"the numbers of NATS cannot be read: {error}\n")
            return
        self._answer(http.client.OK, text)

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", _MEDIA_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of the base class
        """Write nothing about a request to the log."""


def main(host: str, port: int) -> None:
    """Answer requests until the process is stopped."""
    ThreadingHTTPServer((host, port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
