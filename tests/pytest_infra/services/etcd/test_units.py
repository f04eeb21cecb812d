"""The units of etcd: a key prefix for each test."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("etcd")

TESTS = """
import json
import time
import pytest
from infra_runtime.errors import InfraError
from pytest_infra.services.etcd import protocol
from pytest_infra.services.etcd.dump import dump

@pytest.mark.parametrize("number", range(8))
def test_each_test_has_its_own_keys(etcd, etcd_client, infra_stack, number):
    assert etcd_client.get("stock") is None
    etcd_client.put("stock", str(number))
    assert etcd_client.items() == {"stock": str(number)}
    assert protocol.get(infra_stack.etcd, (etcd.prefix + "stock").encode()) == str(number).encode()

def test_client(etcd_client):
    etcd_client.put("a/1", "größe")
    etcd_client.put("a/2", "", lease=etcd_client.lease(60))
    etcd_client.put("b", "x")
    assert etcd_client.items("a/") == {"a/1": "größe", "a/2": ""}
    assert etcd_client.get("a/2") == ""
    assert (etcd_client.delete("b"), etcd_client.delete("b")) == (True, False)
    assert int(etcd_client.call("maintenance/status", {})["dbSize"]) > 0
    with pytest.raises(InfraError, match="etcd answers 400 to /v3/kv/put: .*key is not provided"):
        etcd_client.call("kv/put", {"key": ""})

def test_a_lease_ends(etcd_client):
    etcd_client.put("worker", "1", lease=etcd_client.lease(3))
    etcd_client.put("other", "1")
    deadline = time.monotonic() + 60
    while etcd_client.get("worker"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert etcd_client.items() == {"other": "1"}

def test_the_keys_of_a_unit_are_removed(infra_stack, infra_unit):
    with infra_unit("etcd") as unit:
        for number in range(100):
            protocol.put(unit, f"{unit.prefix}{number}".encode(), b"x")
        protocol.put(infra_stack.etcd, unit.id.encode() + b"0", b"kept")
    assert protocol.pairs(infra_stack.etcd, unit.id.encode())[1][0].value == b"kept"

def test_example(etcd, etcd_client):
    etcd_client.put("before", "1")
    with etcd.example():
        assert etcd_client.items() == {}
        etcd_client.put("inside", "1")
    assert etcd_client.items() == {}

def test_dump(etcd, etcd_client, tmp_path):
    etcd_client.put("long", "x" * 100_000)
    protocol.put(etcd, etcd.prefix.encode() + b"\\xff", b"\\xfe")
    (path,) = dump(etcd, tmp_path)
    written = json.loads(path.read_text())
    shown = {key.removeprefix(etcd.prefix): item for key, item in written["shown"].items()}
    assert written["keys"] == 2
    assert shown["\\\\xff"] == {"version": 1, "lease": None, "bytes": 1, "value": "\\\\xfe"}
    assert shown["long"]["bytes"] == 100_000 and len(shown["long"]["value"]) < 2100

@pytest.mark.infra_exclusive("etcd")
def test_a_restart(etcd_client, infra_chaos):
    etcd_client.put("stock", "1")
    infra_chaos.crash("etcd")
    assert etcd_client.get("stock") == "1"

@pytest.mark.infra_shared
def test_isolation_is_off(etcd, etcd_client):
    etcd_client.put("shared", "1")
    assert "shared" in etcd_client.items()
    assert etcd.url_for("http") == etcd.url
"""


def test_two_workers_have_separate_units(suite: Suite) -> None:
    pytest.importorskip("xdist")
    suite.with_plugins("xdist")
    suite.stack("[services.etcd]\n")
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=15)
