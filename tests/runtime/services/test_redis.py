"""Redis, whose entry has the same code as that of Valkey: names of files and programs, and a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.engine import options, spec_of
from infra_runtime.catalogue import entry
from infra_runtime.services import resp


def test_the_names_of_files_and_programs_are_those_of_redis() -> None:
    spec = spec_of("redis")

    assert spec.command[:2] == ("${bin.redis-server}", "${data}/redis.conf")
    assert spec.exports["socket_url"] == "unix://:${secret.password}@${run}/redis.sock?db=0"
    assert spec.container is not None
    assert "redis-cli" in " ".join(spec.container.health)


def test_redis_is_searched_for_before_valkey() -> None:
    (binary,) = entry("redis").binaries

    assert (binary.name, binary.aliases, binary.instead) == ("redis-server", (), resp.VALKEY)


def test_the_settings_are_those_of_valkey() -> None:
    assert options(spec_of("redis", databases=3, durable=False)).keys() == options(spec_of("valkey")).keys()
    assert entry("redis").defaults == entry("valkey").defaults


@pytest.mark.real("redis")
def test_a_real_server_has_a_password_and_keeps_its_data_after_a_restart(run) -> None:
    import redis

    stack = run("redis", durable=True, options={"maxmemory": "64mb"})
    with redis.Redis.from_url(stack.redis.socket_url) as client:
        assert client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "stock", "7") == b"OK"
        assert client.config_get("maxmemory") == {"maxmemory": str(64 * 2**20)}
    with redis.Redis(port=stack.redis.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()

    stack.restart("redis")

    with redis.Redis.from_url(stack.redis.url) as client:
        assert client.get("stock") == b"7"
    command = Path(f"/proc/{stack.status().services[0].pid}/cmdline").read_bytes()
    assert stack.redis.password.encode() not in command
