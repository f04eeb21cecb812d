"""VictoriaLogs: the spec, and a real server that stores and returns log records."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest

from fakes.engine import spec_of
from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.services.victorialogs import ENTRY


def test_an_option_replaces_a_flag_and_may_have_no_value() -> None:
    spec = spec_of("victorialogs", options={"loggerLevel": "INFO", "logIngestedRows": ""})

    assert "--loggerLevel=INFO" in spec.command
    assert "--loggerLevel=WARN" not in spec.command
    assert spec.command[-1] == "--logIngestedRows"


def test_log_records_have_less_time_and_space_in_tests() -> None:
    command = spec_of("victorialogs", **ENTRY.defaults["test"]).command

    assert "--retentionPeriod=1d" in command
    assert f"--retention.maxDiskSpaceUsageBytes={64 * 2**20}" in command


@pytest.mark.real("victorialogs", "telemetry")
def test_a_real_server_returns_log_records_of_both_protocols_and_has_a_web_interface(run: Any) -> None:
    server = run("victorialogs").victorialogs
    from infra_runtime.telemetry.decode import decode  # the minimal profile has no protobuf

    now = time.time_ns()
    otlp = {"timeUnixNano": str(now), "severityNumber": 17, "body": {"stringValue": "by OTLP"}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    request = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [otlp]}]}]}

    asked(server["insert_url"], json.dumps({"_msg": "by JSON", "_time": now, "user": "ada"}).encode())
    message = decode("logs", json.dumps(request).encode(), is_json=True).SerializeToString()
    asked(f"{server['otlp_url']}/v1/logs", message, "application/x-protobuf")

    until(lambda: found(server, "user:=ada") == ["by JSON"])
    until(lambda: found(server, "service.name:=api") == ["by OTLP"])
    assert b"<title>" in asked(server["ui_url"])


def found(server: Endpoint, query: str) -> list[str]:
    asked(f"{server.url}/internal/force_flush")
    lines = asked(f"{server['query_url']}?{urllib.parse.urlencode({'query': query})}").splitlines()
    return [json.loads(line)["_msg"] for line in lines]


def asked(url: str, data: bytes | None = None, kind: str = "application/stream+json") -> bytes:
    headers = {"Content-Type": kind} if data else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] is None
        body: bytes = answer.read()
    return body
