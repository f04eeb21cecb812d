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
    base: str | None,
    platforms: Sequence[str] = (),
    python: str = "",
    combined: str | None = None,
    lock: Path | None = None,
    folder: Path | None = None,
    archive: bool = False,
    insecure: bool = False,
    compress: bool = True,
    report: Callable[[str], None],
) -> tuple[Project, list[Built]]:
    """Build the images of the user's own services in a stack, and return the project and the images.

    A missing `base`, `platforms`, `python`, `combined` or `lock` has the value in the table `image` of the
    stack file. The stack is resolved for the environment production, unless the target contains another
    environment.
    """
    from infra_runtime.binaries import lockfile
    from infra_runtime.config.declared_image import declared_image
    from infra_runtime.data_directory.paths import user_cache
    from infra_runtime.engines.project import check_secrets
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
    check_secrets([stack], "the image")
    settings = declared_image(target.stack_file())
    base = base or settings.base
    if not base:
        raise ImageError(
            str(stack.stack_file or root),
            "no base image is selected",
            'Use --base, or add the table [image] with `base = "python:3.13-slim-bookworm"`.',
        )
    if not lock and settings.lock:
        lock = root / settings.lock
    folder = (folder or root / OUTPUT).absolute()
    project = read_project(root, folder)
    with tempfile.TemporaryDirectory(prefix="infra-base-") as temporary:
        request = Request(
            project=project,
            services=selected,
            base=open_base(
                base,
                Path(user_cache()) / "images",
                Path(temporary) / "base",
                lock=root / lockfile.NAME,
                insecure=insecure,
                report=report,
            ),
            platforms=[
                Platform(architecture=name.partition("/")[2]) for name in platforms or settings.platforms
            ],
            python=python or settings.python,
            combined=combined if combined is not None else settings.combined,
            lock=lock,
            archive=archive,
            compress=compress,
        )
        return project, build(request, folder, report=report)
