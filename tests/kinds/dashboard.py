"""The dashboard in the contract suite: it stores nothing that a client sends."""

from __future__ import annotations

import json
import urllib.request

from infra_runtime.engines.local.stack import Endpoint


def check(endpoint: Endpoint) -> None:
    """Request the services of the stack, which contains the dashboard itself."""
    request = urllib.request.Request(
        f"{endpoint['api_url']}/api/v1/services", headers={"x-dashboard-key": endpoint["key"]}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert endpoint["port"] in {
            str(port) for item in json.load(answer)["items"] for port in item["ports"].values()
        }
