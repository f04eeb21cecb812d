"""Copies of a service: the slot of a copy that does not start. `test_services.py` tests real copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.stacks import resolved, server
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import NoStackError
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.owner import FOLDER, held
from pytest_infra.isolation.slots import USED


def test_the_slot_of_a_copy_that_does_not_start_is_free_and_marked_for_cleaning(tmp_path: Path) -> None:
    endpoint = Endpoint("shop", {}, {}, str(tmp_path / "services" / "shop"))
    copier = Copier(endpoint, tmp_path, resolved(tmp_path, [server("shop")]))

    with pytest.raises(NoStackError):
        copier.make()

    (slot,) = (tmp_path / FOLDER / "slots").iterdir()
    assert slot.read_bytes() == USED
    assert not held(slot)


class RunningStack:
    """The connection to a supervisor; it records which services stop."""

    def __init__(self, *names: str) -> None:
        self.names, self.stopped = set(names), list[str]()

    def endpoints(self) -> set[str]:
        return self.names

    def stop(self, name: str) -> None:
        self.stopped.append(name)


def test_a_removed_copy_stops_and_its_data_folder_and_slot_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint("shop", {}, {}, str(tmp_path / "services" / "shop"))
    copier, stack = Copier(endpoint, tmp_path, resolved(tmp_path, [server("shop")])), RunningStack("shop.1")
    monkeypatch.setattr(copier, "_open", lambda: stack)
    monkeypatch.setattr(copier, "_start", lambda name: name)
    copy = copier.make()
    (copier.folder(copy) / "tables").mkdir(parents=True)

    copier.remove(copy)

    assert stack.stopped == [copy] == ["shop.1"]
    assert not copier.folder(copy).exists()
    (slot,) = (tmp_path / FOLDER / "slots").iterdir()
    assert slot.read_bytes() == b""
    assert not held(slot)
