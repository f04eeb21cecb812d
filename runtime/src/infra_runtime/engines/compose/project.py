"""What the export to Compose needs besides the plan: the project's name, folders and requirements."""

from __future__ import annotations

import os
from pathlib import Path

from infra_runtime.engines.compose.dockerfile import REQUIREMENTS
from infra_runtime.engines.compose.engine import Compose
from infra_runtime.engines.compose.model import Folders
from infra_runtime.engines.project import project_name, pyproject


def engine_for(root: Path, output: Path) -> Compose:
    """Return the Compose engine for the project at `root`, whose Compose files are in the folder `output`."""
    installable = bool({"project", "build-system"} & pyproject(root).keys())
    usable = {"requirements.txt": (root / "requirements.txt").is_file(), "pyproject.toml": installable}
    folders = Folders(
        project=Path(os.path.relpath(root, output)).as_posix(),
        output=Path(os.path.relpath(output, root)).as_posix(),
    )
    return Compose(
        project=project_name(root),
        folders=folders,
        requirements=next((file for file in REQUIREMENTS if usable[file]), ""),
    )
