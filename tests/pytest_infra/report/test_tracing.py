"""The trace of a test: its root span, its phases and waits, the spans of services, and the failure report."""

from __future__ import annotations

import json

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("telemetry")

#: a server that answers a request, and later sends a span which began in the request
SHOP = """
import http.server, json, os, sys, threading, time, urllib.request

def send(path, trace, parent, start):
    span = {
        "traceId": trace, "spanId": os.urandom(8).hex(), "parentSpanId": parent, "name": "GET " + path,
        "kind": 2, "startTimeUnixNano": start, "endTimeUnixNano": time.time_ns(),
        "status": {"code": 2, "message": "no price"} if path == "/broken" else {},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    key = dict([os.environ["OTEL_EXPORTER_OTLP_HEADERS"].split("=", 1)])
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    headers = {"Content-Type": "application/json", **key}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).close()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        start = time.time_ns()
        _, trace, parent, _ = self.headers["traceparent"].split("-")
        self.send_response(204)
        self.end_headers()
        threading.Timer(0.2, send, (self.path, trace, parent, start)).start()

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """
[services.telemetry]

[services.shop]
command = ["${bin.python}", "-I", "-S", "${root}/shop.py", "${port.http}"]
ports = { http = 18080 }
ready = { tcp = true }
"""
GET = """
import urllib.request

def get(shop, infra_label, path):
    request = urllib.request.Request(f"http://127.0.0.1:{shop.port}{path}", headers=infra_label.headers)
    urllib.request.urlopen(request).close()
"""


@pytest.fixture
def traced(suite: Suite) -> Suite:
    """A suite whose service `shop` sends a span for each request, 0.2 seconds after its response."""
    (suite.root / "shop.py").write_text(SHOP)
    suite.stack(STACK)
    return suite


def test_the_spans_of_all_processes_are_one_trace_under_xdist(traced: Suite) -> None:
    # The first worker runs the first two tests, and the second worker the other two. The service can send its
    # spans after the test has failed.
    traced.test(
        "from pytest_infra.report import tracing\n"
        "from pytest_infra.services.telemetry import store\n"
        "tracing.ARRIVAL, store.QUIET = 60.0, 5.0\n"
        + GET
        + """
def test_order(shop, infra_label):
    get(shop, infra_label, "/order")

def test_broken(shop, infra_label):
    get(shop, infra_label, "/broken")
    assert 0, "the reason"

def test_without_services(): ...

def test_read(infra_traces, shop):
    order = infra_traces.of("test_it.py::test_order")
    root = order.wait_for(service="pytest", name="test_order", timeout=60)
    request = order.wait_for(service="shop", timeout=60)
    spans = {span.name: span for span in order.spans(service="pytest")}

    assert (request.name, request.parent, root.parent) == ("GET /order", root.id, "")
    assert root.attributes == {
        "test.case.name": "test_it.py::test_order", "test.case.result.status": "pass",
        "test.suite.name": "test_it.py",
    }
    assert list(spans) == ["test_order", "setup", "start shop", "isolate shop", "call", "teardown"]
    assert {spans[name].parent for name in ("setup", "call", "teardown")} == {root.id}
    assert {spans[name].parent for name in ("start shop", "isolate shop")} == {spans["setup"].id}
    assert spans["call"].start <= request.start < request.end
    assert infra_traces.of("test_it.py::test_without_services").spans() == []
    failed = infra_traces.of("test_it.py::test_broken").wait_for(name="test_broken", timeout=60)
    assert (failed.status, failed.attributes["test.case.result.status"]) == ("error", "fail")
    assert "the reason" in failed.message
"""
    )

    result = traced.run("-n2")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- Trace -*",
            "pytest  test_broken *█* ✗",
            "shop *  GET /broken *█* ✗ no price",
            "*- Failure report -*",
        ]
    )
    [folder] = traced.root.glob(".data-test/capsules/*")
    report = json.loads((folder / "trace.json").read_text())
    names = [span["name"] for span in report["spans"]]
    assert set(names) >= {"test_broken", "setup", "call", "GET /broken", "teardown"}
    assert len(names) == len(set(names))
    assert "  shop: GET /broken: no price" in (folder / "trace.txt").read_text().splitlines()


def test_a_trace_in_a_warm_stack_has_the_spans_of_this_run_only(traced: Suite) -> None:
    traced.test(
        GET
        + """
def test_order(shop, infra_label):
    get(shop, infra_label, "/order")

def test_read(infra_traces):
    order = infra_traces.of("test_it.py::test_order")
    order.wait_for(service="shop", timeout=60)
    names = [span.name for span in order.spans()]
    assert sorted(names.count(name) for name in ("test_order", "call", "GET /order")) == [1, 1, 1]
"""
    )

    first = traced.run("--infra-reuse-for=600")
    second = traced.run("--infra-reuse-for=600")

    first.assert_outcomes(passed=2)
    second.assert_outcomes(passed=2)
    second.stdout.fnmatch_lines(["infra: the warm stack of an earlier run was used"])
    assert traced.supervisors() == 1
    traced.down()


def test_the_failure_report_has_the_phases_even_if_the_store_is_stopped(traced: Suite) -> None:
    traced.test(
        """
def test_broken(infra_stack):
    infra_stack.stop("telemetry")
    assert 0, "the reason"
"""
    )

    result = traced.run()

    result.assert_outcomes(failed=1)
    assert "- Trace -" not in result.stdout.str()
    [folder] = traced.root.glob(".data-test/capsules/*")
    names = [span["name"] for span in json.loads((folder / "trace.json").read_text())["spans"]]
    assert names[:2] == ["test_broken", "setup"]
    assert "teardown" in names
    result.stdout.fnmatch_lines(["infra: telemetry did not store all spans of tests: *"])
