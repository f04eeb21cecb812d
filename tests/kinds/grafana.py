"""Grafana in the contract suite: the server answers with the state of its database."""

from __future__ import annotations

import json
import urllib.request

from infra_runtime.engines.local.stack import Endpoint


def check(endpoint: Endpoint) -> None:
    """Request the health of the server."""
    with urllib.request.urlopen(f"{endpoint['url']}/api/health", timeout=60) as answer:
        assert json.load(answer)["database"] == "ok"
