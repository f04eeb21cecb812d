"""Slots: each is used by one session at a time, and an unclean slot is cleaned before its next use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation import slots
from pytest_infra.isolation.slots import Slots


def _session(tmp_path: Path, count: int = 2) -> Slots:
    """Return the access of one session to the slots; all sessions share the files in the folder."""
    return Slots(tmp_path, "nats", range(1, count + 1), "Configure more slots.")


def _unexpected(number: int) -> bool:
    raise AssertionError(f"slot {number} was cleaned unexpectedly")


def test_two_sessions_never_use_the_same_slot(tmp_path: Path) -> None:
    first, second = _session(tmp_path), _session(tmp_path)

    numbers = first.take(_unexpected), second.take(_unexpected)

    assert sorted(numbers) == [1, 2]


def test_a_slot_that_was_freed_clean_is_used_again_without_cleaning(tmp_path: Path) -> None:
    session = _session(tmp_path, 1)

    session.free(session.take(_unexpected))

    assert session.take(_unexpected) == 1


def test_a_slot_that_was_freed_unclean_is_cleaned_by_its_next_user(tmp_path: Path) -> None:
    session, cleaned = _session(tmp_path, 1), []
    session.free(session.take(_unexpected), clean=False)

    def clean(number: int) -> bool:
        cleaned.append(number)
        return True

    number = session.take(clean)

    assert (number, cleaned) == (1, [1])


def test_a_slot_that_cannot_be_cleaned_is_skipped(tmp_path: Path) -> None:
    session = _session(tmp_path, 2)
    session.free(session.take(_unexpected), clean=False)

    assert session.take(lambda _: False) == 2


def test_a_slot_that_was_cleaned_at_its_release_is_not_cleaned_again(tmp_path: Path) -> None:
    session = _session(tmp_path, 1)

    session.release(session.take(_unexpected), lambda _: True, keep=False)

    assert session.take(_unexpected) == 1


def test_a_slot_that_could_not_be_cleaned_at_its_release_is_cleaned_by_its_next_user(tmp_path: Path) -> None:
    def refuse(_number: int) -> bool:
        raise ConnectionRefusedError

    session = _session(tmp_path, 1)
    session.release(session.take(_unexpected), refuse, keep=False)

    with pytest.raises(AssertionError, match="slot 1 was cleaned"):
        session.take(_unexpected)


def test_a_kept_slot_is_not_cleaned_at_its_release(tmp_path: Path) -> None:
    session = _session(tmp_path, 2)

    session.release(session.take(_unexpected), _unexpected, keep=True)

    assert session.take(_unexpected) == 2


def test_a_kept_slot_is_not_used_again(tmp_path: Path) -> None:
    session = _session(tmp_path, 2)
    session.free(session.take(_unexpected), keep=True)

    assert session.take(_unexpected) == 2


def test_a_slot_whose_cleaning_raised_an_error_is_free_for_other_sessions(tmp_path: Path) -> None:
    first, second = _session(tmp_path, 1), _session(tmp_path, 1)
    first.free(first.take(_unexpected), clean=False)
    with pytest.raises(AssertionError):
        first.take(_unexpected)

    assert second.take(lambda _: True) == 1


def test_when_no_slot_becomes_free_the_error_has_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.0)
    session = _session(tmp_path, 1)
    session.take(_unexpected)

    with pytest.raises(ConfigurationError, match="none of the 1 slots of nats became free") as caught:
        _session(tmp_path, 1).take(_unexpected)

    assert caught.value.hint == "Configure more slots."


def test_a_freed_slot_can_be_taken_although_a_forked_process_has_its_file_open(tmp_path: Path) -> None:
    first, second = _session(tmp_path, 1), _session(tmp_path, 1)
    number = first.take(_unexpected)
    inherited = os.dup(first._held[number])  # a fork duplicates every open file in the same way

    first.free(number)
    taken = second.take(_unexpected)
    os.close(inherited)

    assert taken == 1
