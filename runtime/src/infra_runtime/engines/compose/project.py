"""Create the Compose engine for a project from the project's name, folders and requirements."""

from __future__ import annotations

import os
from pathlib import Path

from infra_runtime.engines.compose.dockerfile import REQUIREMENTS
from infra_runtime.engines.compose.engine import Compose
from infra_runtime.engines.compose.model import Folders
from infra_runtime.engines.project import project_name, pyproject


def engine_for(root: Path, output: Path) -> Compose:
    """Return the Compose engine for the project in the folder `root`.

    `output` is the folder for its files.
    """
    installable = bool({"project", "build-system"} & pyproject(root).keys())
    is_usable = {"requirements.txt": (root / "requirements.txt").is_file(), "pyproject.toml": installable}
    folders = Folders(
        project=Path(os.path.relpath(root, output)).as_posix(),
        output=Path(os.path.relpath(output, root)).as_posix(),
    )
    return Compose(
        project=project_name(root),
        folders=folders,
        requirements=next((file for file in REQUIREMENTS if is_usable[file]), ""),
    )
