"""The arguments that the plugin passes to the functions of a service kit."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.isolation.owner import Owner
from pytest_infra.label import Label, label_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KitContext:
    """The argument of the function `units` of a service kit: the server, and the settings of its units."""

    #: the endpoint of the shared server, which is ready
    endpoint: Endpoint
    #: the variant of isolation, one of the kit's `variants`
    variant: str
    #: parameter → the value that its `read` returned
    parameters: Mapping[str, Any]
    #: the owner of the units: this process, whose token is part of the names of its units
    owner: Owner
    #: the running stack, on which this process has a lease; `stack.data` is the data directory
    stack: Stack
    #: name of an executable → its path
    executables: Mapping[str, str]
    config: pytest.Config
    #: a function that returns the plan of the service and its dependencies; copies of the service are started
    #: from this plan
    resolve: Callable[[], Resolved]
    #: a function that returns the value of another service's fixture (a unit, or the server), or None if the
    #: running test does not use this fixture
    current: Callable[[str], Endpoint | None] = lambda _: None
    #: a function that returns whether no other process, such as another xdist worker or `infra runtime up`,
    #: has a lease on the stack; leases of xdist workers are ignored while the test uses the service alone
    alone: Callable[[], bool] = lambda: False
    #: a function that returns whether the running test uses the service alone, by the marker
    #: `infra_exclusive`; always False without pytest-xdist
    exclusive: Callable[[], bool] = lambda: False
    #: a function that returns whether the stack stops when this process releases its lease; units then need
    #: no removal
    stops: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixtureContext:
    """The first argument of the functions of a kit's fixtures: the test, the fixture and the service."""

    #: the name of the fixture
    fixture: str
    #: the name of the service; empty for `http_client` and `http_async_client`
    service: str
    #: client library → the requirement that installs it
    install: Mapping[str, str]
    request: pytest.FixtureRequest

    @property
    def label(self) -> Label:
        """Return the label of the test that uses the fixture."""
        return label_of(self.request.node)

    def library(self, *names: str) -> Any:
        """Import and return the first of these modules that is installed; if none is, fail the test."""
        for name in names:
            try:
                return importlib.import_module(name)
            except ImportError:
                continue
        package = names[0].partition(".")[0]
        pytest.fail(
            f"{self.fixture} needs {package.replace('_', '-')}: "
            f"python -m pip install '{self.install.get(package, package)}'",
            pytrace=False,
        )
