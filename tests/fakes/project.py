"""A project of a user's: a folder with a stack file, and what we make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra_runtime.config.resolve import Resolved, resolve
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import ServiceSpec


class Project:
    """Reads as a dialogue: write files, resolve, look. No executable is looked for unless asked."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str, name: str = "infra.toml") -> Path:
        """Put a file into the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def resolve(self, *names: str, **more: Any) -> Resolved:
        """The stack that is meant in this project."""
        return resolve(names, **{"directory": self.root, "executables": False, **more})

    def names(self, *names: str, **more: Any) -> list[str]:
        """The chosen services, in the plan's order."""
        return [spec.name for spec in self.resolve(*names, **more).plan.services]

    def spec(self, name: str, **more: Any) -> ServiceSpec:
        """One service of the plan."""
        return next(spec for spec in self.resolve(**more).plan.services if spec.name == name)

    def complaint(self, *names: str, **more: Any) -> str:
        """What is said against the project, with paths as one sees them from its folder."""
        with pytest.raises(ConfigurationError) as caught:
            self.resolve(*names, **more)
        return str(caught.value).replace(f"{self.root}/", "")
