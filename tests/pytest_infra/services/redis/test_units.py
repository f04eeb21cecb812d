"""The units of Redis: those of Valkey, with the commands that Redis 7.0 has."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("redis")

INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
TESTS = """
import json
import pytest, redis as library
from pytest_infra.services.valkey.dump import dump

@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("variant", [
    pytest.param(variant, marks=pytest.mark.infra_isolation(redis=variant))
    for variant in ("database", "prefix")
])
def test_each_test_has_its_own_keys(redis, redis_client, number, variant):
    assert isinstance(redis_client, library.Redis)
    assert bool(redis.prefix) == (variant == "prefix")
    key = redis.prefix + "stock"
    assert redis_client.set(key, number, nx=True)
    assert redis_client.keys(redis.prefix + "*") == [key]
    assert redis_client.eval("return redis.call('GET', KEYS[1])", 1, key) == str(number)
    forbidden_commands = ["FLUSHALL", "SWAPDB 0 1", "CONFIG GET save", "ACL LIST", "SCRIPT FLUSH", "SHUTDOWN"]
    for forbidden in [*forbidden_commands, "SELECT 0", "SELECT 63", f"MOVE {key} 63"]:
        with pytest.raises(library.exceptions.NoPermissionError):
            redis_client.execute_command(*forbidden.split())
    if redis.prefix:
        with pytest.raises(library.exceptions.NoPermissionError):
            redis_client.set("stock", 1)
    with redis.example() as example:
        assert redis_client.set(example.prefix + "stock", 1, nx=True)

@pytest.mark.asyncio
async def test_the_asynchronous_client(redis, redis_async_client):
    assert isinstance(redis_async_client, library.asyncio.Redis)
    await redis_async_client.set("stock", 1)
    assert await redis_async_client.get("stock") == "1"

@pytest.mark.infra_exclusive("redis")
def test_a_restart(redis_client, infra_chaos):
    infra_chaos.crash("redis")
    assert redis_client.set("stock", 1)

def test_dump(redis, redis_client, tmp_path):
    redis_client.set("stock", "7", ex=100)
    redis_client.rpush("queue", *range(300))
    redis_client.hset("ada", mapping={"age": 3})
    redis_client.sadd("tags", "b", "a")
    redis_client.zadd("scores", {"ada": 1})
    redis_client.xadd("events", {"kind": "bought"})
    (path,) = dump(redis, tmp_path)
    shown = json.loads(path.read_text())["shown"]
    assert shown["stock"]["value"] == "7"
    assert (shown["queue"]["length"], len(shown["queue"]["value"])) == (300, 100)
    assert shown["ada"]["value"] == {"age": "3"}
    assert shown["tags"]["value"] == ["a", "b"]
    assert shown["scores"]["value"][0] == "ada"
    assert shown["events"]["value"][0][1] == ["kind", "bought"]
"""


def test_the_units_and_clients_of_two_workers(suite: Suite) -> None:
    for library in ("redis", "pytest_asyncio", "xdist"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio", "xdist")
    suite.pytester.makeini(INI)
    suite.stack("[services.redis]\n")
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=11)
