"""The exporter of the metrics of NATS in the contract suite: it stores nothing."""

from __future__ import annotations

import urllib.request

from infra_runtime.engines.local.stack import Endpoint


def check(endpoint: Endpoint) -> None:
    """Request the metrics, which contain those of the target."""
    with urllib.request.urlopen(endpoint["metrics_url"], timeout=60) as answer:
        assert "\ngnatsd_varz_connections " in answer.read().decode()
