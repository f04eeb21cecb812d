"""The session and the unit registry of this process, which are created when a test needs them."""

from __future__ import annotations

import pytest

from pytest_infra.notes import Notes
from pytest_infra.report.capsule import Capsules
from pytest_infra.session import Session
from pytest_infra.unit_registry import UnitRegistry


def session_of(config: pytest.Config) -> Session:
    """Return the session of this process; the first call also registers the plugin for failure reports."""
    if Session.KEY not in config.stash:
        session = config.stash[Session.KEY] = Session(config)
        capsules = Capsules(session, config)
        session.on_open.append(capsules.opened)
        Notes.of(config).closing.callback(session.close)
        config.pluginmanager.register(capsules, "infra-capsules")
        config.pluginmanager.register(session.failures, "infra-failures")
    return config.stash[Session.KEY]


def unit_registry_of(config: pytest.Config) -> UnitRegistry:
    """Return the unit registry of this process."""
    if UnitRegistry.KEY not in config.stash:
        registry = config.stash[UnitRegistry.KEY] = UnitRegistry(session_of(config), config)
        Notes.of(config).closing.callback(registry.close)
    return config.stash[UnitRegistry.KEY]
