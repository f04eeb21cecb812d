"""The pool: it hands out unused units only, removes used units, and leaves no thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_infra.isolation.pool import MAX_AHEAD, MAX_DISCARDED, Pool


class FakeFactory:
    """Records its calls, and raises the errors that `failures` contains."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.removed: list[str] = []
        self.closed = 0
        self.failures: list[Exception] = []
        self.log: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def make(self) -> str:
        assert self.gate.wait(300)
        self.log.append("make")
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(f"unit{len(self.made)}")
        return self.made[-1]

    def reset(self, name: str) -> str | None:
        return None

    def remove(self, name: str) -> None:
        self.log.append("remove")
        self.removed.append(name)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def factory() -> FakeFactory:
    return FakeFactory()


@pytest.fixture
def pool(factory: FakeFactory) -> Iterator[Pool]:
    pool = Pool(factory, "test")
    yield pool
    pool.close()


def test_no_unit_is_handed_out_twice(pool: Pool) -> None:
    names = [pool.take() for _ in range(40)]

    assert len(set(names)) == 40


def test_close_removes_all_units_and_ends_the_thread(pool: Pool, factory: FakeFactory) -> None:
    for _ in range(5):
        pool.give_back(pool.take())

    not_removed = pool.close()

    assert not_removed == []
    assert sorted(factory.removed) == sorted(factory.made)
    assert factory.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "infra-test"]


def test_the_number_of_units_that_are_made_ahead_is_limited(pool: Pool, factory: FakeFactory) -> None:
    for _ in range(30):
        pool.take()

    pool.close()

    assert len(factory.made) <= 30 + MAX_AHEAD


def test_a_unit_is_made_before_a_used_one_is_removed(factory: FakeFactory) -> None:
    factory.gate.clear()
    pool = Pool(factory, "test")  # its thread waits in `make`
    pool.give_back("used")
    factory.gate.set()

    pool.close()

    assert factory.log[:2] == ["make", "remove"]


def test_too_many_used_units_are_removed_before_another_is_made(factory: FakeFactory) -> None:
    factory.gate.clear()
    pool = Pool(factory, "test")
    for number in range(MAX_DISCARDED + 2):
        pool.give_back(f"used{number}")
    factory.gate.set()
    for _ in range(3):
        pool.take()

    pool.close()

    assert factory.log[:4] == ["make", "remove", "remove", "make"]


def test_a_lost_connection_is_opened_again_without_an_error(pool: Pool, factory: FakeFactory) -> None:
    pool.take()
    factory.failures = [ConnectionError("the server was restarted")]

    names = {pool.take() for _ in range(10)}

    assert len(names) == 10
    assert not factory.failures


def test_an_error_that_occurs_twice_is_raised_in_the_test_and_the_next_test_gets_a_unit(
    pool: Pool, factory: FakeFactory
) -> None:
    taken = [pool.take()]
    factory.failures = [ConnectionError("first"), ConnectionError("second")]

    with pytest.raises(ConnectionError, match="second"):
        taken += [pool.take() for _ in range(20)]

    assert pool.take() not in taken


def test_close_returns_the_units_that_could_not_be_removed(factory: FakeFactory) -> None:
    class FailingFactory(FakeFactory):
        def remove(self, name: str) -> None:
            raise ConnectionError(name)

    pool = Pool(FailingFactory(), "test")
    name = pool.take()
    pool.give_back(name)

    assert name in pool.close()
