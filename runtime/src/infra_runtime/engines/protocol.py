"""The interfaces of engines: an `Engine` renders a plan as files, a `RunningEngine` runs a plan."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from infra_runtime.config.request import Resolved
from infra_runtime.engines.local.stack import Stack
from infra_runtime.plan import Plan


class Engine(Protocol):
    """An engine that renders a plan as files for another program."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name by which users choose the engine, such as `compose`."""

    @abstractmethod
    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return the files for a plan as a mapping from relative path to text; equal plans give equal texts.

        Raises `ConfigurationError`, with the dotted key of a setting as location, if the engine cannot export
        this setting.
        """


class RunningEngine(Protocol):
    """An engine that runs a plan. A class can implement both `Engine` and `RunningEngine`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name by which users choose the engine, such as `local`."""

    @abstractmethod
    def open(self, resolved: Resolved) -> Stack:
        """Return a lease on the stack of a resolved plan, without starting the services of the plan."""
