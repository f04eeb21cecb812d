"""Build images for the commands `infra workflows build` and `infra runtime container`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra_cli.target import Target
from infra_runtime.errors import ImageError

if TYPE_CHECKING:
    from infra_runtime.images.build import Built
    from infra_runtime.images.project import Project


def build_images(
    target: Target,
    services: tuple[str, ...],
    *,
    base: str,
    platforms: Sequence[str] = (),
    python: str = "",
    combined: str = "",
    lock: Path | None = None,
    folder: Path | None = None,
    archive: bool = False,
    insecure: bool = False,
    compress: bool = True,
    report: Callable[[str], None],
) -> tuple[Project, list[Built]]:
    """Build the images of the user's own services in a stack, and return the project and the images.

    The stack is that of the environment production, unless the target names another one.
    """
    from infra_runtime.data_directory.paths import user_cache
    from infra_runtime.images.base_image import open_base
    from infra_runtime.images.build import Request, build
    from infra_runtime.images.documents import Platform
    from infra_runtime.images.project import OUTPUT, read_project
    from infra_runtime.images.roles import own_services

    stack = target.within(target.environment or "production").resolve(
        *services, executables=False, variables_required=False
    )
    root = Path(stack.plan.root)
    selected = own_services(stack.plan, services)
    if not selected:
        raise ImageError(
            str(stack.stack_file or root),
            "the stack has no service for which an image can be built",
            "Add a service with a `command` to the stack file.",
        )
    folder = (folder or root / OUTPUT).absolute()
    project = read_project(root, folder)
    with tempfile.TemporaryDirectory(prefix="infra-base-") as temporary:
        request = Request(
            project=project,
            services=selected,
            base=open_base(base, Path(user_cache()) / "images", Path(temporary) / "base", insecure=insecure),
            platforms=[Platform(architecture=name.partition("/")[2]) for name in platforms],
            python=python,
            combined=combined,
            lock=lock,
            archive=archive,
            compress=compress,
        )
        return project, build(request, folder, report=report)
