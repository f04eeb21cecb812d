"""A user's project for tests: a folder with a stack file, which can be resolved to a plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.config.resolve import Resolved, resolve
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.spec import ServiceSpec

#: the kinds that a setting of another service adds to a plan
JOINING = {kind.name for kind in KINDS.values() if kind.joins}


class Project:
    """A folder in which a test writes files and resolves them, by default without searching executables."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str, name: str = "infra.toml") -> Path:
        """Write a file of the project and return its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def resolve(self, *names: str, **more: Any) -> Resolved:
        """Resolve the stack of the project."""
        return resolve(names, **{"directory": self.root, "executables": False, **more})

    def names(self, *names: str, **more: Any) -> list[str]:
        """Return the names of the plan's services, in its order, without those that join a stack."""
        services = self.resolve(*names, **more).plan.services
        return [spec.name for spec in services if spec.kind not in JOINING]

    def spec(self, name: str, **more: Any) -> ServiceSpec:
        """Return the spec of one service of the plan."""
        return next(spec for spec in self.resolve(**more).plan.services if spec.name == name)

    def error(self, *names: str, **more: Any) -> str:
        """Return the message of the expected `ConfigurationError`, with paths relative to the project."""
        with pytest.raises(ConfigurationError) as caught:
            self.resolve(*names, **more)
        return str(caught.value).replace(f"{self.root}/", "")


def empty_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Create an empty project with its own cache in a folder, and unset the variables of pytest-infra."""
    kept_variables = ("INFRA_TEST_SUITE", "INFRA_TEST_PROFILE", "INFRA_BINARIES")
    for name in list(os.environ):
        if name.startswith("INFRA_") and name not in kept_variables:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    root = folder / "project"
    root.mkdir()
    return Project(root)
