"""The receiver of telemetry: the variables that it contributes to the user's own services."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from fakes.engine import made
from infra_runtime.contributions import Contribution, Variables
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.services.telemetry import ENTRY, TelemetrySettings
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import ServiceSpec


def own(contributions: list[Contribution], **settings: object) -> ServiceSpec:
    return user_service(UserServiceSettings(command=("api",), **settings), contributions)


def offers(interval: float = 1.0) -> list[Contribution]:
    contributions = ENTRY.contributions(TelemetrySettings(export_interval=interval))
    (offer,) = [offer for offer in contributions if offer.key == "variables"]
    return [Contribution(key=offer.key, value=offer.value, service="telemetry")]


def test_own_services_get_the_address_and_the_key_by_optional_references() -> None:
    spec = own(offers())

    assert spec.env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "${telemetry.url?}"
    assert spec.env["OTEL_EXPORTER_OTLP_HEADERS"] == "x-otlp-api-key=${telemetry.key?}"
    assert spec.env["OTEL_SERVICE_NAME"] == "${stack.service}"
    assert spec.all_needs() == ()
    assert "OTEL_EXPORTER_OTLP_HEADERS" in spec.sensitive


def test_a_variable_of_the_service_is_not_changed_and_resource_attributes_are_added() -> None:
    spec = own(offers(), env={"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "team=shop"})

    assert spec.env["OTEL_SERVICE_NAME"] == "mine"
    assert spec.env["OTEL_RESOURCE_ATTRIBUTES"] == (
        "team=shop,deployment.environment.name=${stack.environment}"
    )


def test_the_setting_telemetry_leaves_all_variables_out() -> None:
    assert own(offers(), telemetry=False).env == {}


def test_the_interval_of_exports_is_in_milliseconds() -> None:
    assert own(offers(0.2)).env["OTEL_BSP_SCHEDULE_DELAY"] == "200"


def test_the_receiver_starts_at_the_first_connection_and_has_no_container() -> None:
    spec = made("telemetry")

    assert spec.starts_on_connection
    assert spec.ready is None
    assert spec.container is not None
    assert "no image" in spec.container.problem


def test_the_contribution_survives_the_cache_of_plans() -> None:
    (offer,) = offers()

    again = Contribution.from_json(offer.to_json())

    assert isinstance(again.value, Variables)
    assert again.value.values == offer.value.values


@pytest.mark.real("telemetry")
def test_a_real_receiver_in_development_keeps_the_records_of_earlier_runs(run: Any) -> None:
    stack = run("telemetry", environment="development", ports={"otlp": 18473, "query": 18474})
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "before"}}]}]}]}
    asked(stack.telemetry, "/v1/logs", body)

    stack.restart("telemetry")

    state = asked(stack.telemetry, "/api/v1/state")
    (first, second) = state["runs"]
    assert second == state["run"]
    (record,) = asked(stack.telemetry, f"/api/v1/logs?run={first}")["items"]
    assert record["body"] == "before"


def asked(server: Endpoint, path: str, body: object = None) -> Any:
    url = f"{server['url'] if body else server['query_url']}{path}"
    headers = {"x-otlp-api-key": server["key"], "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
