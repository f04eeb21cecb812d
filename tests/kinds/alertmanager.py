"""Alertmanager in the contract suite: a value is an annotation of an alert."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send an alert; in a unit, with the label of the unit."""
    labels = {"alertname": name, "test": endpoint.get("test", "none")}
    body = json.dumps([{"labels": labels, "annotations": {"value": value}}]).encode()
    request = urllib.request.Request(
        f"{endpoint['url']}/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the annotation of the alert."""
    filters = [("filter", f'alertname="{name}"'), ("filter", f'test="{endpoint.get("test", "none")}"')]
    address = f"{endpoint['url']}/api/v2/alerts?{urllib.parse.urlencode(filters)}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        alerts = json.load(answer)
    return alerts[0]["annotations"]["value"] if alerts else None
