"""Who owns a unit, and who is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pytest_infra.isolation.owner import FOLDER, Owner

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


def test_an_owner_whose_folder_is_gone_still_closes(tmp_path: Path) -> None:
    owner = Owner(tmp_path, "")
    shutil.rmtree(tmp_path / FOLDER)

    owner.close()

    assert not (tmp_path / FOLDER).exists()
