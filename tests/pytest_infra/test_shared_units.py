"""Units of kinds without data: tests share the server, and a failed test has a dump of its metrics."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

TEST = """
import urllib.request
import pytest

ports = set()

@pytest.mark.parametrize("number", range(2))
def test_it(node_exporter, number):
    ports.add(node_exporter.port)
    assert len(ports) == 1
    urllib.request.urlopen(node_exporter.metrics_url, timeout=60).close()
    assert number == 0
"""


@pytest.mark.real("node-exporter")
def test_the_metrics_of_a_shared_server_are_in_the_report_of_a_failed_test(suite: Suite) -> None:
    suite.stack("[services.node-exporter]\n")
    suite.test(TEST)

    result = suite.run("-q")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*1 service, ready in *; 0 processes, 0 ports, 0 sockets left*"])
    (dump,) = (suite.root / ".data-test" / "capsules").glob("*/dumps/node-exporter/*")
    assert "\nnode_load1 " in dump.read_text(encoding="utf-8")
