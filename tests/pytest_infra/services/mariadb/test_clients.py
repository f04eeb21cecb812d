"""The client fixtures close their connections. `test_isolation.py` has the clients of a real server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.mariadb import clients


class Connection:
    """A connection as PyMySQL has it: closing it twice is an error."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.open = arguments, True

    def close(self) -> None:
        assert self.open
        self.open = False


@pytest.mark.parametrize("closed_by_test", [False, True])
def test_the_connection_of_a_test_is_closed_once(
    monkeypatch: pytest.MonkeyPatch, closed_by_test: bool
) -> None:
    monkeypatch.setattr(clients, "address", lambda unit: {"host": unit.name})
    context: Any = SimpleNamespace(library=lambda _name: SimpleNamespace(connect=Connection))
    fixture = clients.connection(context, Endpoint("mariadb", {"database": "orders"}, {}, "data"))

    connection: Any = next(fixture)
    if closed_by_test:
        connection.close()
    with pytest.raises(StopIteration):
        next(fixture)

    assert not connection.open
    assert connection.arguments["database"] == "orders"
    assert connection.arguments["host"] == "mariadb"
