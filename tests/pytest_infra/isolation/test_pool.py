"""The pool: what is handed out was never used, what was used goes away, and no thread stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_infra.isolation.pool import MAX_AHEAD, MAX_DISCARDED, Pool


class FakeFactory:
    """Counts, and fails when it is told to."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.removed: list[str] = []
        self.closed = 0
        self.failures: list[Exception] = []
        self.log: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def make(self) -> str:
        assert self.gate.wait(60)
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
    made = Pool(factory, "test")
    yield made
    made.close()


def test_no_name_is_handed_out_twice(pool: Pool) -> None:
    names = [pool.take() for _ in range(40)]

    assert len(set(names)) == 40


def test_in_the_end_all_that_was_made_is_removed(pool: Pool, factory: FakeFactory) -> None:
    for _ in range(5):
        pool.give_back(pool.take())

    left = pool.close()

    assert left == []
    assert sorted(factory.removed) == sorted(factory.made)
    assert factory.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "infra-test"]


def test_it_does_not_make_more_ahead_than_it_may(pool: Pool, factory: FakeFactory) -> None:
    for _ in range(30):
        pool.take()

    pool.close()

    assert len(factory.made) <= 30 + MAX_AHEAD


def test_making_comes_before_removing(factory: FakeFactory) -> None:
    factory.gate.clear()
    pool = Pool(factory, "test")  # its thread is about to make the first
    pool.give_back("used")
    factory.gate.set()

    pool.close()

    assert factory.log[:2] == ["make", "remove"]


def test_but_not_for_ever(factory: FakeFactory) -> None:
    factory.gate.clear()
    pool = Pool(factory, "test")
    for number in range(MAX_DISCARDED + 2):
        pool.give_back(f"used{number}")
    factory.gate.set()
    for _ in range(3):
        pool.take()

    pool.close()

    assert factory.log[:4] == ["make", "remove", "remove", "make"]


def test_a_lost_connection_is_opened_anew_without_a_word(pool: Pool, factory: FakeFactory) -> None:
    pool.take()
    factory.failures = [ConnectionError("the server was restarted")]

    names = {pool.take() for _ in range(10)}

    assert len(names) == 10
    assert not factory.failures


def test_what_fails_twice_fails_in_the_test_and_the_next_test_tries_again(
    pool: Pool, factory: FakeFactory
) -> None:
    taken = [pool.take()]
    factory.failures = [ConnectionError("gone"), ConnectionError("still gone")]

    with pytest.raises(ConnectionError, match="still gone"):
        taken += [pool.take() for _ in range(20)]

    assert pool.take() not in taken


def test_what_cannot_be_removed_is_named(factory: FakeFactory) -> None:
    class Stubborn(FakeFactory):
        def remove(self, name: str) -> None:
            raise ConnectionError(name)

    pool = Pool(Stubborn(), "test")
    name = pool.take()
    pool.give_back(name)

    assert name in pool.close()
