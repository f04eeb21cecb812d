"""Packages of the npm registry, downloaded by `npm pack`, without their dependencies."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_runtime.binaries import registry_client
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Npm, Recipe
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.errors import InstallError, IntegrityError

NAME = "npm"
#: the greatest size of package.json in bytes; a package with a larger file is refused
_LIMIT = 1 << 20


def lock(recipe: Recipe, source: Npm, platform: str, work: Path) -> Locked:
    """Download the newest version of a package, or the version in `source`, and return its lock entry.

    Raises `InstallError` if npm is missing, or if the registry does not have the package.
    """
    requirement = f"{source.package}@{source.version or 'latest'}"
    tarball = _pack(recipe.name, requirement, work)
    name, version, licence = _metadata(tarball)
    artefact = Artefact.of(tarball, registry=NAME, name=name, version=version, licence=licence)
    return Locked.single(recipe, platform, NAME, artefact)


def fetch(locked: Locked, artefact: Artefact, target: Path, progress: Progress | None) -> None:
    """Download a locked package to the path `target`.

    Raises `InstallError` if the registry does not answer or no longer has the package.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".npm-") as folder:
        requirement = f"{artefact.name}@{artefact.version}"
        tarball = _pack(locked.recipe, requirement, Path(folder), artefact.size, progress)
        tarball.replace(target)


def _pack(
    recipe: str, requirement: str, work: Path, expected: int = 0, progress: Progress | None = None
) -> Path:
    program = shutil.which("npm")
    if program is None:
        raise InstallError(recipe, "npm is missing", "Install Node.js, which contains npm.")
    # npm runs no scripts of the package, and runs in a folder without a package.json of the user.
    command = [program, "pack", "--ignore-scripts", "--silent", f"--pack-destination={work}", requirement]
    registry_client.run(recipe, command, folder=work, expected=expected, progress=progress)
    tarballs = list(work.glob("*.tgz"))
    if len(tarballs) != 1:
        raise InstallError(recipe, f"npm has downloaded {len(tarballs)} files instead of one")
    return tarballs[0]


def _metadata(tarball: Path) -> tuple[str, str, str]:
    """Return name, version and licence of a package. Source: npm documentation, "package.json".

    Raises `IntegrityError` if the file is not a package.
    """
    try:
        with tarfile.open(tarball) as tar:
            for member in tar:
                if member.name.count("/") == 1 and member.name.endswith("/package.json") and member.isreg():
                    content = tar.extractfile(member)
                    data = json.loads(content.read(_LIMIT)) if content else {}
                    return str(data["name"]), str(data["version"]), _licence(data)
    except (tarfile.TarError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise IntegrityError(tarball.name, f"the package cannot be read: {error!r}") from error
    raise IntegrityError(tarball.name, "the package contains no package.json")


def _licence(data: Mapping[str, Any]) -> str:
    """Return the licence of a package; in old packages, it is an object or a list of objects."""
    given = data.get("license") or data.get("licenses") or ""
    licences = given if isinstance(given, list) else [given]
    return " OR ".join(
        str(licence.get("type", "") if isinstance(licence, dict) else licence) for licence in licences
    )
