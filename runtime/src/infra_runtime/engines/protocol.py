"""What an engine is: it renders a plan as files, and some engines also run it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from infra_runtime.config.request import Resolved
from infra_runtime.engines.local.stack import Stack
from infra_runtime.plan import Plan


class Engine(Protocol):
    """Renders a plan for something else to run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The word by which users choose the engine, such as `compose`."""

    @abstractmethod
    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return relative path → text of each file. The same plan gives the same bytes.

        Raises `ConfigurationError`, with the dotted key of the setting as its place, for what the engine
        cannot express.
        """


class RunningEngine(Protocol):
    """Runs a plan. An engine may be both: it renders a plan, and runs it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The word by which users choose the engine, such as `local`."""

    @abstractmethod
    def open(self, resolved: Resolved) -> Stack:
        """Return a lease on the stack of a resolved plan. No service is started yet."""
