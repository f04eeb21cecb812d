"""Jaeger: the configuration, and a real server to which the telemetry service forwards spans."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from fakes.engine import spec_of
from fakes.project import Project
from fakes.stacks import until
from infra_runtime.services.jaeger import ENTRY
from infra_runtime.spec import ServiceSpec, WriteFile

TRACE = "0a" * 16


def configuration(spec: ServiceSpec) -> Any:
    (step,) = spec.prepare
    assert isinstance(step, WriteFile)
    return json.loads(step.text)


def test_traces_are_in_files_in_development_and_in_memory_in_tests() -> None:
    stores = {
        environment: configuration(spec_of("jaeger", **settings))["extensions"]["jaeger_storage"]
        for environment, settings in (("development", {}), ("test", ENTRY.defaults["test"]))
    }

    (badger,) = stores["development"]["backends"].values()
    (memory,) = stores["test"]["backends"].values()
    assert badger["badger"]["ephemeral"] is False
    assert badger["badger"]["directories"]["keys"].startswith("${data}/")
    assert memory == {"memory": {"max_traces": 10_000}}


def test_every_endpoint_is_on_the_loopback_address_at_a_port_of_the_spec() -> None:
    spec = spec_of("jaeger")

    text = json.dumps(configuration(spec))

    assert text.count('"endpoint": "${host}:${port.') == text.count('"endpoint"') == len(spec.ports)
    assert all(f"${{port.{name}}}" in text for name in spec.ports)


def test_options_are_merged_into_the_configuration() -> None:
    options = {"processors": {"batch": {}}, "service": {"pipelines": {"traces": {"processors": ["batch"]}}}}

    merged = configuration(spec_of("jaeger", options=options))

    assert merged["service"]["pipelines"]["traces"]["processors"] == ["batch"]
    assert merged["service"]["pipelines"]["traces"]["receivers"] == ["otlp"]


def test_the_telemetry_service_forwards_spans_to_jaeger(project: Project) -> None:
    project.write('use = ["telemetry", "jaeger"]\n')

    command = project.spec("telemetry").command

    assert "--forward=${jaeger.otlp_url?}" in command


@pytest.mark.real("jaeger", "telemetry")
def test_spans_that_the_telemetry_service_receives_are_in_a_real_jaeger(run: Any) -> None:
    stack = run("telemetry", "jaeger")
    span = {
        "traceId": TRACE,
        "spanId": "0b" * 8,
        "name": "charge",
        "startTimeUnixNano": "1000000000",
        "endTimeUnixNano": "2000000000",
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    headers = {"Content-Type": "application/json", "x-otlp-api-key": stack.telemetry["key"]}
    request = urllib.request.Request(f"{stack.telemetry.url}/v1/traces", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer) == {}

    def names() -> list[str]:
        try:
            with urllib.request.urlopen(f"{stack.jaeger.url}/api/traces/{TRACE}", timeout=60) as answer:
                (trace,) = json.load(answer)["data"]
        except urllib.error.HTTPError as error:  # 404: the span has not arrived
            error.close()
            return []
        return [span["operationName"] for span in trace["spans"]]

    until(lambda: names() == ["charge"])
    with urllib.request.urlopen(f"{stack.jaeger.url}/api/services", timeout=60) as answer:
        assert json.load(answer)["data"] == ["shop"]
