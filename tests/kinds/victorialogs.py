"""VictoriaLogs in the contract suite: a value is the text of the newest log record of a name."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a log record with the name, and wait until it is found; in a unit, with the label of the unit."""
    record = {"_msg": value, "_time": time.time_ns(), "name": name, "test": endpoint.get("test", "-")}
    _get(f"{endpoint['insert_url']}?_stream_fields=test", json.dumps(record).encode())
    until(lambda: read(endpoint, name) == value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the text of the newest record."""
    _get(f"{endpoint.url}/internal/force_flush")
    selector = f'name:="{name}" test:="{endpoint.get("test", "-")}" | sort by (_time) desc | limit 1'
    query = urllib.parse.urlencode({"query": selector})
    lines = _get(f"{endpoint['query_url']}?{query}").splitlines()
    return str(json.loads(lines[0])["_msg"]) if lines else None


def settled(endpoint: Endpoint) -> bool:
    """Return whether no part of the store is only in memory."""
    metrics = _get(f"{endpoint.url}/metrics").decode()
    parts = re.findall(r'^vl_storage_parts\{type="storage/inmemory"\} (\d+)', metrics, re.MULTILINE)
    return bool(parts) and not any(int(number) for number in parts)


def _get(url: str, data: bytes | None = None) -> bytes:
    # The server reads the body of another type, which is the default, as parameters.
    headers = {"Content-Type": "application/stream+json"} if data else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        body: bytes = answer.read()
    return body
