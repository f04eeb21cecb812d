"""The receiver of telemetry in the contract suite: a value is the text of the newest log record of a name."""

from __future__ import annotations

import json
import urllib.request
from urllib.parse import urlencode

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint

_HEADER = "x-otlp-api-key"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a log record, and wait until it is stored; a unit has its own service."""
    record = {
        "body": {"stringValue": value},
        "attributes": [_pair("name", name)],
        "traceId": endpoint.get("trace_id", ""),
    }
    resource = {"attributes": [_pair("service.name", _service(endpoint))]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    headers = {"Content-Type": "application/json", _HEADER: endpoint["key"]}
    request = urllib.request.Request(f"{endpoint['url']}/v1/logs", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    until(lambda: read(endpoint, name) == value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the text of the newest record."""
    query = urlencode({"service": _service(endpoint), "limit": "1000"})
    headers = {_HEADER: endpoint["key"]}
    request = urllib.request.Request(f"{endpoint['query_url']}/api/v1/logs?{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        records = json.load(answer)["items"]
    return next(
        (record["body"] for record in reversed(records) if record["attributes"]["name"] == name), None
    )


def _pair(key: str, text: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": text}}


def _service(endpoint: Endpoint) -> str:
    return f"contract-{endpoint.get('trace_id', '')}"
