"""VictoriaMetrics: the spec, and a real server that imports and returns samples."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

import pytest

from fakes.engine import spec_of
from fakes.stacks import until
from infra_runtime.contributions import Metrics
from infra_runtime.services.victoriametrics import ENTRY, VictoriaMetricsSettings


def test_an_option_replaces_a_flag_and_may_have_no_value() -> None:
    spec = spec_of("victoriametrics", options={"search.latencyOffset": "5s", "dedup": ""})

    assert "--search.latencyOffset=5s" in spec.command
    assert "--search.latencyOffset=0s" not in spec.command
    assert spec.command[-1] == "--dedup"


def test_samples_are_kept_for_a_shorter_time_in_tests() -> None:
    assert "--retentionPeriod=1d" in spec_of("victoriametrics", **ENTRY.defaults["test"]).command
    assert "--retentionPeriod=7d" in spec_of("victoriametrics").command


def test_the_metrics_of_the_server_are_offered() -> None:
    (offer,) = ENTRY.contributions(VictoriaMetricsSettings())

    assert offer.value == Metrics(port="http")


@pytest.mark.real("victoriametrics")
def test_a_real_server_returns_an_imported_sample_and_has_a_web_interface(run: Any) -> None:
    server = run("victoriametrics").victoriametrics
    lines = b'orders_total{currency="EUR"} 3\norders_total{currency="USD"} 4\n'

    asked(server["import_url"], lines)

    query = urllib.parse.urlencode({"query": "sum(orders_total)", "nocache": "1"})

    def values() -> list[str]:
        asked(f"{server.url}/internal/force_flush")
        result = json.loads(asked(f"{server.url}/api/v1/query?{query}"))["data"]["result"]
        return [series["value"][1] for series in result]

    until(lambda: values() == ["7"])
    assert b"<title>vmui</title>" in asked(server["ui_url"])


def asked(url: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] is None
        body: bytes = answer.read()
    return body
