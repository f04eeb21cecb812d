"""The fixtures for traces and metrics, with a service that is instrumented with OpenTelemetry's SDK."""

from __future__ import annotations

import sys

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("telemetry")
pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")

#: a server with a span, a log record and a count for each request
SERVICE = """
import http.server, logging, sys

from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
tracer, orders = trace.get_tracer("shop"), metrics.get_meter("shop").create_counter("orders")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        context = propagate.extract({name.lower(): value for name, value in self.headers.items()})
        with tracer.start_as_current_span("charge", context=context, attributes={"path": self.path}):
            orders.add(1)
        self.send_response(204)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """
[services.telemetry]

[services.api]
command = ["{python}", "service.py", "${{port.http}}"]
ports = {{ http = 8115 }}
start_timeout = 300
env = {{ OTEL_RESOURCE_ATTRIBUTES = "team=shop" }}
"""
TESTS = """
import re
import pytest
from pytest_infra.services.telemetry import metrics
from pytest_infra.services.telemetry.traces import SpanMissingError

metrics.FIRST_EXPORT = 60.0

def test_spans_join_the_trace_of_the_test(http_client, infra_traces, telemetry):
    http_client("api").get("/orders")
    span = infra_traces.wait_for(name="charge", service="api", attributes={"path": "/orders"}, timeout=60)
    assert span.trace == infra_traces.trace_id == telemetry.trace_id
    assert (span.kind, span.status) == ("internal", "unset")
    assert span.seconds < 60
    assert infra_traces.wait_for(name=re.compile("^ch")) == span

def test_the_spans_of_other_tests_are_not_visible(http_client, infra_traces):
    http_client("api").get("/other")
    infra_traces.wait_for(attributes={"path": "/other"}, timeout=60)
    assert [span.attributes["path"] for span in infra_traces.spans()] == ["/other"]
    first = infra_traces.of("test_it.py::test_spans_join_the_trace_of_the_test")
    assert [span.attributes["path"] for span in first.spans(service="api")] == ["/orders"]
    assert infra_traces.logs() == []

def test_a_missing_span_is_an_error_with_the_spans_that_arrived(http_client, infra_traces):
    http_client("api").get("/")
    infra_traces.wait_for(name="charge", timeout=60)
    with pytest.raises(SpanMissingError, match="no span with name .refund.") as error:
        infra_traces.wait_for(name="refund", timeout=0.01)
    assert "api: charge" in str(error.value)

@pytest.mark.infra_exclusive("api")  # the tests of all workers send requests to one service
@pytest.mark.parametrize("number", range(2))
def test_a_counter_changes_during_a_block(http_client, infra_metrics, infra_logs, number):
    http_client("api").get(f"/before-{number}")
    with infra_metrics.change("orders", service="api", timeout=60) as change:
        http_client("api").get("/during")
        http_client("api").get("/last")
    assert change.value == 2
    infra_logs.wait_for("api", "GET /last", timeout=60)
    requests = [line.text.split('"')[1].split()[1] for line in infra_logs.of("api") if "GET" in line.text]
    assert requests == [f"/before-{number}", "/during", "/last"]
"""


def test_a_test_reads_its_own_spans_and_the_metrics_of_the_services(suite: Suite) -> None:
    suite.stack(STACK.format(python=sys.executable))
    (suite.root / "service.py").write_text(SERVICE)
    suite.test(TESTS)

    result = suite.run("-q", "-Werror")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["infra: 2 services, ready in *; 0 processes, 0 ports, 0 sockets left"])


def test_metrics_and_logs_in_a_warm_stack_are_those_of_the_test(suite: Suite) -> None:
    suite.stack(STACK.format(python=sys.executable))
    (suite.root / "service.py").write_text(SERVICE)
    suite.test(TESTS)
    arguments = ("-n2", "-k", "counter", "--infra-reuse-for=600")

    first, second = suite.run(*arguments), suite.run(*arguments)

    first.assert_outcomes(passed=2)
    second.assert_outcomes(passed=2)
    second.stdout.fnmatch_lines(["infra: the warm stack of an earlier run was used"])
    suite.down()
