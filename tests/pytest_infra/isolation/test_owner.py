"""The owner of units, and how other processes detect that it has exited."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_infra.isolation.owner import FOLDER, Owner, held

OWNER_THAT_WAITS = """
import sys
from pathlib import Path
from pytest_infra.isolation.owner import Owner
print(Owner(Path(sys.argv[1]), "gw7").token, flush=True)
sys.stdin.read()
"""


def test_all_names_of_units_are_different(tmp_path: Path) -> None:
    owners = [Owner(tmp_path, worker) for worker in ("", "gw0", "gw0")]

    names = {owner.name() for owner in owners for _ in range(50)}

    assert len(names) == 150
    assert all(name.isidentifier() or name[0].isdigit() for name in names)


def test_an_owner_is_alive_until_it_is_closed(owner: Owner, tmp_path: Path) -> None:
    other = Owner(tmp_path, "gw1")
    before = owner.alive(other.token), other.alive(owner.token), owner.alive(owner.token)

    other.close()

    assert before == (True, True, True)
    assert not owner.alive(other.token)
    assert not owner.alive("unknown")


@pytest.mark.process
def test_a_killed_owner_is_not_alive_and_the_next_owner_that_closes_removes_its_file(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER_THAT_WAITS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    token = child.stdout.readline().strip()
    owner = Owner(tmp_path, "")
    alive_before = owner.alive(token)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    alive_after = owner.alive(token)

    owner.close()

    assert (alive_before, alive_after) == (True, False)
    assert token.endswith("gw7")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_an_owner_that_starts_while_another_closes_has_its_file(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the new owner exists for a moment before it is locked; `close` removes unlocked files."""
    lock = fcntl.flock

    def close_before_lock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        owner.close()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", close_before_lock)
    new_owner = Owner(tmp_path, "gw1")

    assert held(tmp_path / FOLDER / new_owner.token)


def test_two_simultaneous_checks_of_a_dead_owner_have_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "exited"
    path.touch()
    lock = fcntl.flock
    results: list[bool] = []

    def check_while_locked(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        lock(descriptor, operation)
        results.append(held(path))

    monkeypatch.setattr(fcntl, "flock", check_while_locked)
    results.append(held(path))

    assert results == [False, False]


def test_an_owner_can_be_closed_after_its_folder_was_removed(tmp_path: Path) -> None:
    owner = Owner(tmp_path, "")
    shutil.rmtree(tmp_path / FOLDER)

    owner.close()

    assert not (tmp_path / FOLDER).exists()
