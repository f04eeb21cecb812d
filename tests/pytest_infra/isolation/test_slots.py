"""Slots: one holder at a time, and nobody sits down where something was left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation import slots
from pytest_infra.isolation.slots import Slots


def _slots(tmp_path: Path, count: int = 2) -> Slots:
    return Slots(tmp_path, "nats", range(1, count + 1), "Give it more.")


def _never(number: int) -> bool:
    raise AssertionError(f"slot {number} was clean")


def test_two_sessions_never_have_the_same_seat(tmp_path: Path) -> None:
    one, other = _slots(tmp_path), _slots(tmp_path)

    taken = one.take(_never), other.take(_never)

    assert sorted(taken) == [1, 2]


def test_a_seat_that_was_left_clean_is_taken_again(tmp_path: Path) -> None:
    one = _slots(tmp_path, 1)

    one.free(one.take(_never))

    assert one.take(_never) == 1


def test_who_finds_it_used_cleans_it(tmp_path: Path) -> None:
    one, cleaned = _slots(tmp_path, 1), []
    one.free(one.take(_never), clean=False)

    number = one.take(lambda it: not cleaned.append(it))  # type: ignore[func-returns-value]  # None is the point

    assert (number, cleaned) == (1, [1])


def test_one_that_cannot_be_cleaned_is_passed_over(tmp_path: Path) -> None:
    one = _slots(tmp_path, 2)
    one.free(one.take(_never), clean=False)

    assert one.take(lambda _: False) == 2


def test_what_was_cleaned_in_vacating_needs_no_cleaning_any_more(tmp_path: Path) -> None:
    one = _slots(tmp_path, 1)

    one.release(one.take(_never), lambda _: True, keep=False)

    assert one.take(_never) == 1


def test_what_could_not_be_cleaned_in_vacating_is_left_to_the_next(tmp_path: Path) -> None:
    def stopped(_number: int) -> bool:
        raise ConnectionRefusedError

    one = _slots(tmp_path, 1)
    one.release(one.take(_never), stopped, keep=False)

    with pytest.raises(AssertionError, match="slot 1 was clean"):
        one.take(_never)


def test_one_that_is_kept_is_not_cleaned_in_vacating(tmp_path: Path) -> None:
    one = _slots(tmp_path, 2)

    one.release(one.take(_never), _never, keep=True)

    assert one.take(_never) == 2


def test_one_that_is_kept_is_passed_over(tmp_path: Path) -> None:
    one = _slots(tmp_path, 2)
    one.free(one.take(_never), keep=True)

    assert one.take(_never) == 2


def test_cleaning_that_fails_leaves_the_seat_to_others(tmp_path: Path) -> None:
    one, other = _slots(tmp_path, 1), _slots(tmp_path, 1)
    one.free(one.take(_never), clean=False)
    with pytest.raises(AssertionError):
        one.take(_never)

    assert other.take(lambda _: True) == 1


def test_when_none_comes_free_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.0)
    one = _slots(tmp_path, 1)
    one.take(_never)

    with pytest.raises(ConfigurationError, match="none of the 1 slots of nats became free") as caught:
        _slots(tmp_path, 1).take(_never)

    assert caught.value.hint == "Give it more."


def test_a_seat_is_free_although_a_process_that_was_forked_has_its_file_open(tmp_path: Path) -> None:
    one, other = _slots(tmp_path, 1), _slots(tmp_path, 1)
    number = one.take(_never)
    inherited = os.dup(one._held[number])  # what a fork does to every file

    one.free(number)
    taken = other.take(_never)
    os.close(inherited)

    assert taken == 1
