"""Units whose data are removed after the test, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.isolation.client_library import required

SERVER = Endpoint("store", {"host": "127.0.0.1"}, {}, "/nowhere")


class Names:
    """An owner that gives names, without a locked file."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = iter(range(1, 100))

    def name(self) -> str:
        return f"owner_{next(self._numbers)}"


class Box(ClearedUnit):
    """A unit that counts its removals, and fails while the server is stopped."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(SERVER, name, label)
        self.cleared, self.error = 0, None

    def clear(self) -> None:
        self.cleared += 1
        if self.error:
            raise self.error


def test_each_unit_has_a_new_name_and_is_cleared_once() -> None:
    units = ClearedUnits(Names(), Box)

    first, second = units.acquire("a"), units.acquire("b")
    units.release(first)

    assert (first.id, second.id, second.label) == ("owner_1", "owner_2", "b")
    assert (first.cleared, second.cleared) == (1, 0)


def test_a_kept_unit_is_not_cleared() -> None:
    units = ClearedUnits(Names(), Box)
    unit = units.acquire("a")
    unit.keep = True

    units.release(unit)

    assert unit.cleared == 0


def test_only_the_errors_of_a_stopped_server_are_ignored() -> None:
    units = ClearedUnits(Names(), Box, ConnectionError)
    unit = units.acquire("a")

    unit.error = ConnectionRefusedError()
    units.release(unit)
    unit.error = ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        units.release(unit)


def test_an_example_begins_and_ends_without_data() -> None:
    unit = Box("a", "b")

    with unit.example() as example:
        assert (example, unit.cleared) == (unit, 1)

    assert unit.cleared == 2


def test_the_end_of_all_units_closes_their_connection() -> None:
    closed: list[str] = []
    units = ClearedUnits(Names(), Box, close=lambda: closed.append("connection"))

    assert units.close() == []
    assert closed == ["connection"]


def test_a_missing_library_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigurationError, match="store: a box for each test needs Boxes") as caught:
        required(
            "boxes_of_acme",
            service="store",
            library="Boxes",
            extra="box",
            purpose="a box for each test needs",
        )

    assert "python -m pip install 'pytest-infra[box]'" in caught.value.hint
    assert "`infra_isolation = store: off`" in caught.value.hint
