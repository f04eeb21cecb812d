from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra_runtime as infra
from fakes.clock import Clock
from fakes.project import Project
from infra_runtime.web.storage import MemoryStorage, ValkeyStorage, counted


def test_a_stored_value_expires() -> None:
    clock = Clock()
    storage = MemoryStorage(clock=clock)
    asyncio.run(storage.put("a", b"1", 10))

    clock.now = 9.9
    assert asyncio.run(storage.get("a")) == b"1"
    clock.now = 10
    assert asyncio.run(storage.get("a")) is None


def test_reading_can_extend_the_life_of_a_value() -> None:
    clock = Clock()
    storage = MemoryStorage(clock=clock)
    asyncio.run(storage.put("a", b"1", 10))
    clock.now = 9
    asyncio.run(storage.get("a", extend=10))
    clock.now = 18

    assert asyncio.run(storage.get("a")) == b"1"


def test_only_the_first_of_two_new_values_is_stored() -> None:
    storage = MemoryStorage()

    assert asyncio.run(storage.put("a", b"1", 10, only_new=True)) is True
    assert asyncio.run(storage.put("a", b"2", 10, only_new=True)) is False
    assert asyncio.run(storage.get("a")) == b"1"


def test_a_deleted_value_is_missing() -> None:
    storage = MemoryStorage()
    asyncio.run(storage.put("a", b"1", 10))

    asyncio.run(storage.delete("a"))

    assert asyncio.run(storage.get("a")) is None


def test_the_memory_is_bounded_and_expired_values_are_dropped_first() -> None:
    clock = Clock()
    storage = MemoryStorage(max_keys=2, clock=clock)

    async def run() -> list[bytes | None]:
        await storage.put("kept", b"1", 100)
        await storage.put("expired", b"1", 1)
        clock.now = 2
        await storage.put("new", b"1", 100)
        return [await storage.get(key) for key in ("kept", "expired", "new")]

    assert asyncio.run(run()) == [b"1", None, b"1"]


def test_a_limit_is_exact_under_concurrency() -> None:
    storage = MemoryStorage(clock=Clock())

    async def hits() -> int:
        answers = await asyncio.gather(*(storage.hit("a", 50, 60) for _ in range(100)))
        return sum(answer.allowed for answer in answers)

    with ThreadPoolExecutor(4) as threads:
        allowed = list(threads.map(lambda _: asyncio.run(hits()), range(4)))

    assert sum(allowed) == 50


def test_a_refused_request_is_allowed_after_the_stated_time() -> None:
    clock = Clock()
    storage = MemoryStorage(clock=clock)

    async def run() -> None:
        for _ in range(2):
            assert (await storage.hit("a", 2, 60)).allowed
        refused = await storage.hit("a", 2, 60)
        assert not refused.allowed
        clock.now += refused.retry_after - 0.01
        assert not (await storage.hit("a", 2, 60)).allowed
        clock.now += 0.02
        assert (await storage.hit("a", 2, 60)).allowed

    asyncio.run(run())


def test_each_key_has_its_own_limit() -> None:
    storage = MemoryStorage(clock=Clock())

    assert [asyncio.run(storage.hit(key, 1, 60)).allowed for key in ("a", "b", "a")] == [True, True, False]


@given(st.integers(1, 20), st.lists(st.floats(0, 30), max_size=60))
def test_no_window_has_more_than_twice_the_limit_and_a_first_burst_has_the_limit(
    limit: int, pauses: list[float]
) -> None:
    """A full burst and then the steady rate are possible within one period: less than twice the limit."""
    period, now, arrival = 10.0, 1000.0, 1000.0
    allowed = []
    for pause in (*[0.0] * (limit + 1), *pauses):
        now += pause
        hit, arrival = counted(now, arrival, limit, period)
        if hit.allowed:
            allowed.append(now)

    assert allowed.count(1000.0) >= limit
    for start in allowed:
        assert sum(start <= moment < start + period * 0.999 for moment in allowed) <= 2 * limit


@pytest.mark.parametrize("now", [0.0, 1.8e9, 1e12])
def test_the_remaining_requests_are_counted_down(now: float) -> None:
    arrival, remaining = now, []
    for _ in range(3):
        hit, arrival = counted(now, arrival, 3, 60)
        remaining.append(hit.remaining)

    assert remaining == [2, 1, 0]
    assert math.isclose(counted(now, arrival, 3, 60)[0].retry_after, 20, abs_tol=0.01)


@pytest.mark.real("valkey")
def test_a_real_valkey_server_has_the_same_behaviour(project: Project, tmp_path: Path) -> None:
    from valkey.asyncio import Valkey

    async def run(url: str) -> None:
        async with Valkey.from_url(url) as first, Valkey.from_url(url) as second:
            storage, other = ValkeyStorage(first), ValkeyStorage(second)
            assert await storage.put("a", b"1", 60)
            assert await storage.put("b", b"1", 60, only_new=True)
            assert not await other.put("b", b"2", 60, only_new=True)
            assert (await other.get("a"), await other.get("b"), await other.get("c")) == (b"1", b"1", None)
            assert await storage.get("a", extend=600) == b"1"
            assert await first.ttl("web:a") > 60
            await other.delete("a")
            assert await storage.get("a") is None

            limits = (store.hit("client", 10, 1000) for store in (storage, other) * 15)
            answers = await asyncio.gather(*limits)
            assert sum(answer.allowed for answer in answers) == 10
            assert min(answer.remaining for answer in answers if answer.allowed) == 0
            assert all(0 < answer.retry_after <= 100 for answer in answers if not answer.allowed)

    with infra.start("valkey", environment="test", directory=project.root, data=tmp_path / "data") as stack:
        asyncio.run(run(stack.valkey.url))
