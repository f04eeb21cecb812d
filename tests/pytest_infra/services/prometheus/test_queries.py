"""The fixture `prometheus_queries`, in two workers that share the server."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("prometheus")

API = """
import http.server, sys
count = 0

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += self.path == "/order"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"orders_total {count}\\nsizes 1\\n".encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STACK = """
[services.api]
command = ["${bin.python}", "-I", "-S", "${root}/api.py", "${port.http}"]
ports = { http = 18000 }
metrics = "/"
[services.prometheus]
"""
TESTS = """
import urllib.request
import pytest
from pytest_infra.services.prometheus.queries import QueryError, ScrapeMissingError

@pytest.mark.parametrize("number", range(2))
def test_a_query_contains_what_happened_before(prometheus, prometheus_queries, api, number):
    before = prometheus_queries.value("orders_total", timeout=60)
    urllib.request.urlopen(api.url + "/order", timeout=60).close()

    (sample,) = prometheus_queries.query("orders_total", timeout=60)

    assert before < sample.value <= 2
    assert sample.labels["job"] == "api"
    assert prometheus.selector == '{test="%s"}' % prometheus.test
    assert prometheus_queries.query(prometheus.selector, wait=False) == []

def test_errors(prometheus_queries):
    assert prometheus_queries.jobs == ("api",)
    assert prometheus_queries.value("1 + 1", wait=False) == 2
    with pytest.raises(QueryError, match=r"prometheus answers the query with HTTP status 400: .*parse error"):
        prometheus_queries.query("orders_total{", wait=False)
    with pytest.raises(QueryError, match="'nothing' has 0 samples instead of one"):
        prometheus_queries.value("nothing", wait=False)
    with pytest.raises(ScrapeMissingError, match="has not requested the metrics of api within 0 s"):
        prometheus_queries.query("up", timeout=0)
"""


OTHER_PROFILE = """
def test_the_stack(infra_stack):
    assert {*infra_stack.endpoints()} == {"prometheus", "node-exporter"}

def test_the_store(prometheus_queries):
    assert prometheus_queries.jobs == ("node-exporter",)
"""


@pytest.mark.real("node-exporter")
def test_a_profile_of_the_run_also_determines_the_jobs_for_a_single_fixture(suite: Suite) -> None:
    """The specs of the server must be the same: a running server cannot be changed."""
    suite.stack("use = ['prometheus']\nprofiles = { watch = ['prometheus', 'node-exporter'] }\n")
    suite.test(OTHER_PROFILE)

    result = suite.run("-q", "--infra-profile=watch")

    result.assert_outcomes(passed=2)


def test_two_workers_query_the_metrics_that_were_counted_before_the_call(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.with_plugins("xdist")
    (suite.root / "api.py").write_text(API, encoding="utf-8")
    suite.stack(STACK)
    suite.test(TESTS)

    result = suite.run("-n2", "-q")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*2 services, ready in *; 0 processes, 0 ports, 0 sockets left*"])
