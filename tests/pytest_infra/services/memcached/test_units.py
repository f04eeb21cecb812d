"""The units of memcached: a key prefix for each test."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("memcached")

TESTS = """
import json, pathlib, threading, time
import pymemcache, pytest
from pytest_infra.services.memcached.dump import dump
from pytest_infra.services.memcached.protocol import MemcachedConnection

@pytest.mark.parametrize("number", range(8))
def test_each_test_has_its_own_keys(memcached, memcached_client, number):
    assert memcached_client.add("stock", number)
    assert memcached_client.get("stock") == number
    application = pymemcache.Client((memcached.host, memcached.port))
    assert application.get(memcached.prefix + "stock") == str(number).encode()
    application.close()

def test_values(memcached_client):
    for value in ("größe", 7, b"\\xff"):
        memcached_client.set("größe", value)
        assert memcached_client.get("größe") == value
    with pytest.raises(TypeError, match="not dict"):
        memcached_client.set("stock", {})
    with pytest.raises(pymemcache.MemcacheClientError):
        memcached_client.flush_all()

def test_example(memcached, memcached_client):
    memcached_client.set("before", "1")
    with memcached.example():
        assert memcached_client.get("before") is None
        memcached_client.set("inside", "1")
    assert memcached_client.get("inside") is None

def test_the_items_of_a_unit_are_removed(infra_stack, infra_unit):
    with MemcachedConnection(infra_stack.memcached) as connection:
        with infra_unit("memcached") as unit:
            client = pymemcache.Client((unit.host, unit.port), key_prefix=unit.prefix.encode())
            client.set_many({str(number): "x" for number in range(3000)}, noreply=False)
            client.close()
            assert len(connection.keys(unit.prefix.encode())) == 3000
        assert connection.keys(unit.prefix.encode()) == []

def test_all_keys_are_listed_once_while_another_client_uses_them(memcached, memcached_client, infra_stack):
    numbers = [str(number) for number in range(2000)]
    memcached_client.set_many(dict.fromkeys(numbers, "x"))
    keys = sorted(f"{memcached.prefix}{number}".encode() for number in numbers)
    ended = threading.Event()

    def use():
        while not ended.is_set():
            memcached_client.get_many(numbers)
            memcached_client.set_many(dict.fromkeys(numbers, "x"))

    other_client = threading.Thread(target=use)
    other_client.start()
    try:
        with MemcachedConnection(infra_stack.memcached) as connection:
            for _ in range(30):
                assert connection.keys(memcached.prefix.encode()) == keys
    finally:
        ended.set()
        other_client.join()

def test_dump(memcached, memcached_client, tmp_path):
    memcached_client.set("stock", "7", expire=100)
    memcached_client.set("bytes", b"\\xfe")
    memcached_client.set("long", "x" * 100_000)
    memcached_client.set("größe", 1)
    (path,) = dump(memcached, tmp_path)
    written = json.loads(path.read_text())
    shown = {key.removeprefix(memcached.prefix): item for key, item in written["shown"].items()}
    assert written["keys"] == len(shown) == 4
    assert shown["stock"]["value"] == "7" and 90 < shown["stock"]["ttl"] <= 100
    assert shown["bytes"]["value"] == "\\\\xfe"
    assert shown["long"]["bytes"] == 100_000 and len(shown["long"]["value"]) < 2100
    assert shown["größe"] == {"bytes": 1, "flags": 2, "ttl": None, "value": "1"}

@pytest.mark.infra_shared
def test_isolation_is_off(memcached, memcached_client):
    memcached_client.set("stock", 1)
    assert memcached_client.get("stock") == 1
    assert memcached.url_for("pymemcache") == memcached.address
"""


def test_two_workers_have_separate_units(suite: Suite) -> None:
    for library in ("pymemcache", "xdist"):
        pytest.importorskip(library)
    suite.with_plugins("xdist")
    suite.stack("[services.memcached]\n")
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=14)
