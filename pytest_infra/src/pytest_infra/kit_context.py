"""What the functions of a kit are given."""

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
    """What a kit's units are made from."""

    #: the whole service, ready
    endpoint: Endpoint
    #: one of the kit's `variants`
    variant: str
    #: parameter → what its `read` returned
    parameters: Mapping[str, Any]
    #: this process, whose token is part of the names of units
    owner: Owner
    #: the running stack, which this process holds a lease of; `stack.data` is the data directory
    stack: Stack
    #: executable → path
    executables: Mapping[str, str]
    config: pytest.Config
    #: returns the service's plan with what it needs, to start copies of it
    resolve: Callable[[], Resolved]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixtureContext:
    """What the function of a `KitFixture` is given besides its arguments."""

    #: the name of the fixture
    fixture: str
    #: the name of the instance
    service: str
    install: Mapping[str, str]
    request: pytest.FixtureRequest

    @property
    def label(self) -> Label:
        """The label of the test that asks."""
        return label_of(self.request.node)

    def library(self, *names: str) -> Any:
        """Import the first of these modules that is installed; the test fails when none is."""
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
