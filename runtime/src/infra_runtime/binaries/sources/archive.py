"""Archives at a URL; a recipe with such a source contains the SHA-256 of the archive. The kit has none."""

from __future__ import annotations

from pathlib import Path

from infra_runtime.binaries import download
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Archive, Recipe
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.errors import InstallError

NAME = "archive"


def lock(recipe: Recipe, source: Archive, platform: str, work: Path) -> Locked:
    """Download an archive, compare it with the hash in its recipe, and return its lock entry.

    If the recipe has no version, the version of the entry is the beginning of the hash.

    Raises `InstallError` if the archive is for another platform.
    """
    if source.platform != platform:
        raise InstallError(recipe.name, f"the archive {source.url} is for {source.platform}")
    target = work / "archive"
    download.download(recipe.name, source.url, target, digest=source.sha256)
    artefact = Artefact.of(
        target,
        registry="url",
        name=recipe.name,
        version=source.version or source.sha256[:12],
        path=source.url,
        licence=recipe.licence,
    )
    return Locked.single(recipe, platform, NAME, artefact)


def fetch(locked: Locked, artefact: Artefact, target: Path, progress: Progress | None) -> None:
    """Download a locked archive to the path `target`."""
    download.download(
        locked.recipe,
        artefact.path,
        target,
        size=artefact.size,
        digest=artefact.sha256,
        progress=progress,
    )
