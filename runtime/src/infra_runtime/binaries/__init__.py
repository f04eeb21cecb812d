"""Search for executables: in a setting, in this Python environment, on PATH, in known folders, in the store.

A search usually needs only a few `stat` calls: it does not import the Python package that contains an
executable, and rarely runs a program. The module `store` describes the store, in which `infra bin install`
installs executables.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from infra_runtime.binaries.version import major_version
from infra_runtime.errors import BinaryMissingError
from infra_runtime.host.packages import is_importable
from infra_runtime.value import frozen

__all__ = ["Binary", "BinarySearch", "locate", "major_version", "search"]


@frozen
class Binary:
    """The description of an executable: its name, and the places where it may be installed."""

    name: str
    #: the extra of `pytest-infra` that installs the executable
    extra: str = ""
    #: the import package of a wheel that contains the executable, and the folder in this package
    wheel: tuple[str, str] | None = None
    #: The names of import packages, separated by spaces. If they are set, the executable is the interpreter
    #: of this environment, provided that the environment contains all of these packages.
    module: str = ""
    #: other names of the same program
    aliases: tuple[str, ...] = ()
    #: glob patterns of folders outside PATH; if several folders match a pattern, the folder with the highest
    #: number in its path is tried first
    folders: tuple[str, ...] = ()
    #: the oldest accepted major version; 0 accepts all versions
    oldest: int = 0
    #: the only major version that is accepted; 0 accepts all versions
    major: int = 0
    #: the features that the installation of the program must have, such as extensions
    features: tuple[str, ...] = ()
    #: Glob patterns of files, relative to the folder of the program, with `{feature}` and `{major}`. An
    #: installation has a feature if a file matches one of the patterns.
    feature_files: tuple[str, ...] = ()
    #: the name of another executable; this executable must be in the folder of the other one, so that both
    #: belong to the same installation
    beside: Binary | None = None
    #: a compatible program of another project, which is used if this executable is missing
    instead: Binary | None = None
    #: whether the service also runs without this executable
    optional: bool = False


@frozen
class BinarySearch:
    """The result of the search for one executable."""

    #: the name in the plan's references: `${bin.NAME}`
    name: str
    binary: Binary
    #: the user's setting for the executable, if any
    setting: str | None
    #: empty when the executable was not found
    path: str


def search(
    binary: Binary, setting: str | None, *, name: str = "", project: Path | None = None
) -> BinarySearch:
    """Search for an executable; return the result, which has no path if the executable is missing.

    `name` is the name in references `${bin.NAME}`; by default, it is `binary.name`.
    """
    try:
        path = str(locate(binary, setting=setting, project=project))
    except BinaryMissingError:
        path = ""
    return BinarySearch(name=name or binary.name, binary=binary, setting=setting, path=path)


def locate(
    binary: Binary, *, setting: str | os.PathLike[str] | None = None, project: Path | None = None
) -> Path:
    """Return the path of an executable; `setting` is a path from the settings, or a folder to search.

    `project` is the folder of the lock `infra.lock`, which determines the version in the store.

    Raises:
        BinaryMissingError: no file was found that is executable and has the required version and features.
    """
    if binary.beside:
        leader = locate(binary.beside, setting=setting, project=project)
        # Symbolic links in the path of the leader are resolved, because PATH can contain a link to only one
        # program of the installation.
        path = leader.resolve().parent / binary.name
        if not os.access(path, os.X_OK):
            raise BinaryMissingError(binary.name, binary.extra, [f"{path} (next to {leader})"])
        return path
    searched: list[str] = []
    first_problem = ""
    for path in _setting(binary, setting) if setting else _places(binary, searched, project):
        # If the setting contains a path, features are not checked: the server itself reports a missing
        # feature.
        problem = _problem(binary, path) or ("" if setting else _missing_features(binary, path))
        if not problem:
            return path
        searched.append(f"{path} ({problem})" if problem != _ABSENT else str(path))
        first_problem = first_problem or (problem if problem != _ABSENT else "")
    raise _missing(binary, setting, searched, first_problem or "not found")


def _missing(
    binary: Binary, setting: str | os.PathLike[str] | None, searched: list[str], problem: str
) -> BinaryMissingError:
    """Return the error for a missing executable; its hint describes how to install the executable."""
    recipe = _recipe(binary)
    if binary.major and not setting:
        problem = f"version {binary.major}{_with(binary.features)} was not found"
    error = BinaryMissingError(binary.name, binary.extra, searched, problem)
    if binary.module:
        error.hint = f"Install it with `python -m pip install 'pytest-infra[{binary.extra}]'`."
    elif binary.major:
        error.hint = _ways_to_provide(binary, recipe)
    elif recipe:
        error.hint = f"{error.hint.removesuffix('.')}, or run `infra bin install {recipe}`."
    if setting:
        error.hint += " Then remove the setting `binary`, or correct the path in it."
    return error


def _ways_to_provide(binary: Binary, recipe: str) -> str:
    """Return the hint for a missing version of an executable; `recipe` may be empty."""
    folder = next((pattern for pattern in binary.folders if "*" in pattern), "/opt/*/bin")
    last_way, other_versions = f"run `infra bin install {recipe}`", ""
    if not recipe:
        from infra_runtime.binaries import recipes  # imported here because only an error needs this module

        last_way = f"write a recipe `[binaries.NAME]` with `major = {binary.major}` in the stack file"
        if versions := recipes.versions(binary.name):
            other_versions = f" `infra bin install` can install these versions: {versions}."
    return (
        f"Put version {binary.major} of {binary.name}{_with(binary.features)} on PATH, set `binary` to its"
        f" folder, such as {folder.replace('*', str(binary.major))}, or {last_way}.{other_versions}"
    )


def _with(features: tuple[str, ...]) -> str:
    return f" with {', '.join(features)}" if features else ""


_ABSENT = "absent"


def _problem(binary: Binary, path: Path) -> str:
    if not path.is_file():
        return _ABSENT
    if not os.access(path, os.X_OK):
        return "not executable"
    if binary.oldest or binary.major:
        version = major_version(path)
        if version is None:
            return "prints no version"
        if binary.major and version != binary.major:
            return f"version {version}; version {binary.major} is required"
        if version < binary.oldest:
            return f"version {version} is too old; {binary.oldest} or later is required"
    return ""


def _missing_features(binary: Binary, path: Path) -> str:
    """Return a text about the required features that a program lacks; empty if it has all features."""
    import glob  # imported here because most executables have no features

    folder, missing_features = path.resolve().parent, []
    for feature in binary.features:
        patterns = (pattern.format(feature=feature, major=binary.major) for pattern in binary.feature_files)
        if not any(glob.glob(str(folder / pattern)) for pattern in patterns):  # noqa: PTH207 - with `..`
            missing_features.append(feature)
    return f"without {', '.join(missing_features)}" if missing_features else ""


def _setting(binary: Binary, setting: str | os.PathLike[str]) -> Iterator[Path]:
    path = Path(setting).expanduser()
    yield path / binary.name if path.is_dir() else path


def _recipe(binary: Binary) -> str:
    """Return the name of the recipe of the kit that installs an executable; empty without such a recipe."""
    from infra_runtime.binaries import recipes  # imported here because only an error needs this module

    recipe = recipes.providing(
        binary.name, recipes.kit().values(), major=binary.major, features=binary.features
    )
    return recipe.name if recipe else ""


def _places(binary: Binary, searched: list[str], project: Path | None) -> Iterator[Path]:
    """Yield the paths at which the executable can be, in the order of the search.

    A description of each place without the executable is appended to `searched`, for the error message.
    """
    if binary.module:
        yield from _interpreter(binary, searched)
        return
    yield from _paths(binary, searched)
    yield from _installed((binary.name, *binary.aliases), searched, project)
    if binary.instead:
        yield from _places(binary.instead, searched, project)


def _interpreter(binary: Binary, searched: list[str]) -> Iterator[Path]:
    """Yield the interpreter of this environment if it contains the packages named in `binary.module`."""
    missing_packages = [package for package in binary.module.split() if not is_importable(package)]
    if missing_packages:
        searched.append(f"the package {', '.join(missing_packages)} in {sys.prefix}")
    else:
        yield Path(sys.executable)


def _paths(binary: Binary, searched: list[str]) -> Iterator[Path]:
    """Yield the paths at which the executable can be: in this environment, on PATH and in known folders."""
    names = (binary.name, *binary.aliases)
    if binary.name == "python":
        yield Path(sys.executable)
    for name in names:
        yield scripts_folder() / name
    if binary.wheel:
        package, folder = binary.wheel
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(location) / folder / binary.name
        if not spec:
            searched.append(f"the package {package}")
    # Imported here because most executables are found in the places above, and the imports are slow.
    import glob
    import shutil

    for name in names:
        if on_path := shutil.which(name):
            yield Path(on_path)
        else:
            searched.append(f"{name} on PATH")
    for pattern in binary.folders:
        folders = sorted(glob.glob(pattern), key=_numbers, reverse=True)  # noqa: PTH207 - the pattern is absolute
        for matching_folders in folders:
            yield Path(matching_folders) / binary.name
        if not folders:
            searched.append(pattern)


def _installed(names: tuple[str, ...], searched: list[str], project: Path | None) -> Iterator[Path]:
    """Yield the paths of programs in the store, the folder `INFRA_BINARIES`."""
    from infra_runtime.binaries import store  # imported here because most executables are not in the store
    from infra_runtime.host.ownership import OwnershipError

    folder = store.default_folder()
    try:
        installed = [path for name in names for path in store.find_all(name, project)]
    except OwnershipError as error:
        searched.append(f"{error.filename} ({error.strerror})")
        return
    yield from installed
    if folder:
        searched.append(str(folder))


def scripts_folder() -> Path:
    """Return the folder for programs of this Python environment, such as `.venv/bin`.

    `sysconfig.get_path` is not used, because it reads all variables of the interpreter's build, which takes
    longer than the search for an executable.
    """
    return Path(sysconfig.get_path("scripts", expand=False).format(base=sys.prefix))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
