"""The stack and the isolation units of this process, which are created when a test needs them."""

from __future__ import annotations

import contextlib

import pytest

from pytest_infra import forks
from pytest_infra.notes import Notes
from pytest_infra.report import fixture_spans
from pytest_infra.report.capsule import Capsules
from pytest_infra.session import Session
from pytest_infra.spans import Recorder
from pytest_infra.unit_registry import UnitRegistry

#: whether the function that removes the parent's session from forked children has been registered
_RESETS: pytest.StashKey[bool] = pytest.StashKey()


def session_of(config: pytest.Config) -> Session:
    """Return the session of this process; the session starts services for tests.

    The first call creates the session and registers the plugin for failure reports.
    """
    if Session.KEY not in config.stash:
        session = config.stash[Session.KEY] = Session(config)
        Notes.of(config).closing.callback(session.close)
        config.pluginmanager.register(Capsules(session, config), "infra-capsules")
        config.pluginmanager.register(session.failures, "infra-failures")
        if not config.stash.get(_RESETS, False):
            config.stash[_RESETS] = True
            forks.on_fork(config, _leave_to_parent)
    return config.stash[Session.KEY]


def _leave_to_parent(config: pytest.Config) -> None:
    """Remove the session of the parent from a forked child; the child makes its own session if necessary."""
    forks.keep(Notes.of(config).closing)
    Notes.of(config).closing = contextlib.ExitStack()
    for plugin in ("infra-capsules", "infra-failures", fixture_spans.NAME):
        if config.pluginmanager.has_plugin(plugin):
            config.pluginmanager.unregister(name=plugin)
    if not config.pluginmanager.has_plugin("infra-child"):
        config.pluginmanager.register(forks.Child(), "infra-child")
    if (registry := config.stash.get(UnitRegistry.KEY, None)) is not None:
        registry.abandon()
        del config.stash[UnitRegistry.KEY]
    if Session.KEY in config.stash:  # a forked child that has not used services has no session
        forks.keep(config.stash[Session.KEY])
        del config.stash[Session.KEY]
    if Recorder.KEY in config.stash:
        forks.keep(config.stash[Recorder.KEY])
        del config.stash[Recorder.KEY]


def unit_registry_of(config: pytest.Config) -> UnitRegistry:
    """Return the registry that creates and removes the isolation units of this process."""
    if UnitRegistry.KEY not in config.stash:
        registry = config.stash[UnitRegistry.KEY] = UnitRegistry(session_of(config), config)
        Notes.of(config).closing.callback(registry.close)
    return config.stash[UnitRegistry.KEY]
