"""The pool uses a unit again after a reset, and sets a unit aside that cannot be removed."""

from __future__ import annotations

import threading

import pytest

from pytest_infra.isolation.pool import Pool


class FakeFactory:
    """A factory whose `unclean` units cannot be reset, and whose `stubborn` units cannot be removed.

    The removal of `refused` units fails until another unit was made or reset.
    """

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.was_refused = threading.Event()
        self.is_down = False
        self.made = self.closed = 0
        self.unclean: set[str] = set()
        self.stubborn: set[str] = set()
        self.removed: list[str] = []
        self.was_reset = threading.Event()
        self.error: Exception | None = None

    def make(self) -> str:
        self.made += 1
        self.is_down = False
        return f"made{self.made}"

    def reset(self, name: str) -> str | None:
        try:
            if self.error is not None:
                raise self.error
            self.is_down = self.is_down and name in self.unclean
            return None if name in self.unclean else f"{name}'"
        finally:
            self.was_reset.set()

    def remove(self, name: str) -> None:
        if name in self.stubborn:
            raise ConnectionError(f"{name} is in use\nDETAIL: more")
        if name in self.refused and (self.is_down or not self.was_refused.is_set()):
            self.is_down = True
            self.was_refused.set()
            raise ConnectionError("the server is being restarted")
        self.removed.append(name)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def factory() -> FakeFactory:
    return FakeFactory()


def use_all(pool: Pool, count: int) -> list[str]:
    names = []
    for _ in range(count):
        names.append(pool.take())
        pool.give_back(names[-1])
    return names


def test_a_used_unit_is_reset_and_used_again_under_a_new_name(factory: FakeFactory) -> None:
    pool = Pool(factory, "test")

    names = use_all(pool, 50)
    pool.close()

    assert len(set(names)) == 50
    assert factory.made <= 10


def test_a_unit_that_cannot_be_reset_is_removed(factory: FakeFactory) -> None:
    factory.unclean = {"made1"}
    pool = Pool(factory, "test")

    use_all(pool, 5)
    pool.close()

    assert "made1" in factory.removed


def test_an_error_of_a_reset_does_not_reach_a_test(factory: FakeFactory) -> None:
    factory.error = ConnectionError("the server was restarted")
    pool = Pool(factory, "test")

    names = use_all(pool, 5)
    pool.close()

    assert {*names} <= {*factory.removed}
    assert factory.closed


def test_a_unit_that_cannot_be_removed_is_set_aside_and_reported_once(factory: FakeFactory) -> None:
    factory.unclean = factory.stubborn = {"made1"}
    messages: list[str] = []
    pool = Pool(factory, "test", report=messages.append)

    use_all(pool, 20)
    not_removed = pool.close()

    assert not_removed == ["made1"]
    assert messages in ([], ["test: the unit made1 could not be removed: made1 is in use"])


def test_a_unit_whose_removal_failed_during_a_restart_is_removed_later_and_not_reported(
    factory: FakeFactory,
) -> None:
    factory.unclean = factory.refused = {"made1"}
    messages: list[str] = []
    pool = Pool(factory, "test", report=messages.append)

    use_all(pool, 2)
    assert factory.was_refused.wait(300)
    use_all(pool, 2)
    not_removed = pool.close()

    assert not_removed == messages == []
    assert factory.removed.count("made1") == 1


def test_without_removal_a_closed_pool_leaves_its_units_to_the_server(factory: FakeFactory) -> None:
    pool = Pool(factory, "test")
    use_all(pool, 3)

    not_removed = pool.close(remove=False)

    assert not_removed == []
    assert len(factory.removed) <= 1
    assert not [thread for thread in threading.enumerate() if thread.name == "infra-test"]
