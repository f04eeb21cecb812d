from __future__ import annotations

import contextlib

import pytest

from fakes.engine import spec_of
from infra_runtime.catalogue import entry


def test_flush_all_is_allowed_only_outside_of_tests() -> None:
    assert "--disable-flush-all" not in spec_of("memcached").command
    assert entry("memcached").defaults == {"test": {"flush_all": False}}


def test_the_limits_and_options_are_arguments_of_the_server_and_of_the_container() -> None:
    options = {"idle_timeout": "60", "no_lru_crawler": ""}
    spec = spec_of("memcached", memory=5, max_item=2, options=options)

    limits = ("--memory-limit=5", "--max-item-size=2m", "--extended=idle_timeout=60,no_lru_crawler")
    assert spec.command[-3:] == limits
    assert spec.container is not None
    assert spec.container.command == limits


def test_an_item_that_is_larger_than_half_of_the_memory_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"`memory` \(1 MB\) should be at least twice `max_item`"):
        spec_of("memcached", memory=1)


@pytest.mark.real("memcached")
def test_a_real_server_has_the_limits_and_refuses_flush_all(run) -> None:
    from pymemcache import Client, MemcacheClientError, MemcacheServerError

    stack = run("memcached", memory=5, max_item=2, options={"idle_timeout": "60"})
    server = stack.memcached

    assert (server.url, server.address) == (
        f"memcached://127.0.0.1:{server.port}",
        f"127.0.0.1:{server.port}",
    )
    with contextlib.closing(Client(server.address, default_noreply=False, timeout=60)) as client:
        client.set("stock", b"x" * 1_500_000)
        with pytest.raises(MemcacheServerError, match="too large"):
            client.set("stock", b"x" * 2_500_000)
        with pytest.raises(MemcacheClientError, match="not allowed"):
            client.flush_all()
        settings = client.stats("settings")
    assert (settings[b"maxbytes"], settings[b"udpport"]) == (5 * 2**20, 0)
    assert settings[b"idle_timeout"] in (60, b"60")
