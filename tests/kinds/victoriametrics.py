"""VictoriaMetrics in the contract suite: a value is a label of the newest sample that was imported."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a sample whose labels contain name and value; in a unit, also the label of the unit."""
    now = time.time()
    labels = f'name="{name}",value="{value}",test="{endpoint.get("test", "-")}"'
    _get(endpoint["import_url"], f"contract{{{labels}}} {now} {round(now * 1000)}\n".encode())
    until(lambda: read(endpoint, name) == value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value in the labels of the sample with the latest time, which is the sample's value."""
    _get(f"{endpoint.url}/internal/force_flush")
    selector = f'contract{{name="{name}",test="{endpoint.get("test", "-")}"}}'
    query = urllib.parse.urlencode({"query": selector, "nocache": "1"})
    results = json.loads(_get(f"{endpoint.url}/api/v1/query?{query}"))["data"]["result"]
    newest = max(results, key=lambda series: float(series["value"][1]), default=None)
    return newest["metric"]["value"] if newest else None


def settled(endpoint: Endpoint) -> bool:
    """Return whether no part of the store is only in memory."""
    metrics = _get(f"{endpoint.url}/metrics").decode()
    parts = re.findall(r'^vm_parts\{type="[a-z]+/inmemory"\} (\d+)', metrics, re.MULTILINE)
    return bool(parts) and not any(int(number) for number in parts)


def _get(url: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
        body: bytes = answer.read()
    return body
