"""Who owns a unit, and who is gone."""

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

WAITS = """
import sys
from pathlib import Path
from pytest_infra.isolation.owner import Owner
print(Owner(Path(sys.argv[1]), "gw7").token, flush=True)
sys.stdin.read()
"""


def test_no_two_names_are_the_same(tmp_path: Path) -> None:
    owners = [Owner(tmp_path, worker) for worker in ("", "gw0", "gw0")]

    names = {owner.name() for owner in owners for _ in range(50)}

    assert len(names) == 150
    assert all(name.isidentifier() or name[0].isdigit() for name in names)


def test_an_owner_lives_until_it_says_otherwise(owner: Owner, tmp_path: Path) -> None:
    other = Owner(tmp_path, "gw1")
    before = owner.alive(other.token), other.alive(owner.token), owner.alive(owner.token)

    other.close()

    assert before == (True, True, True)
    assert not owner.alive(other.token)
    assert not owner.alive("never-there")


@pytest.mark.process
def test_a_killed_process_lives_no_longer_and_its_file_goes_with_the_next(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    token = child.stdout.readline().strip()
    owner = Owner(tmp_path, "")
    lived = owner.alive(token)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    lives = owner.alive(token)

    owner.close()

    assert (lived, lives) == (True, False)
    assert token.endswith("gw7")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_one_that_begins_while_another_ends_is_not_taken_for_dead(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is there for a moment before it is locked."""
    lock = fcntl.flock

    def lock_too_late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        owner.close()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_too_late)
    begun = Owner(tmp_path, "gw1")

    assert held(tmp_path / FOLDER / begun.token)


def test_two_who_ask_at_once_about_one_who_is_gone_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gone"
    path.touch()
    lock = fcntl.flock
    answers: list[bool] = []

    def lock_while_another_asks(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        lock(descriptor, how)
        answers.append(held(path))

    monkeypatch.setattr(fcntl, "flock", lock_while_another_asks)
    answers.append(held(path))

    assert answers == [False, False]


def test_an_owner_whose_folder_is_gone_still_closes(tmp_path: Path) -> None:
    owner = Owner(tmp_path, "")
    shutil.rmtree(tmp_path / FOLDER)

    owner.close()

    assert not (tmp_path / FOLDER).exists()
