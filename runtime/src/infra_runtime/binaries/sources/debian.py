"""Packages of Debian; apt resolves and downloads them without root, in separate folders.

If INFRA_DEBIAN_ARCHIVE is set, locked packages are downloaded from the addresses in it, without apt.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra_runtime.binaries import download, platforms, registry_client
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.recipe import Debian, Recipe
from infra_runtime.binaries.registry_client import Progress
from infra_runtime.errors import InstallError
from infra_runtime.value import frozen

NAME = "debian"
#: the package with the C library and its loader
GLIBC = "libc6"
#: the variable with the addresses of mirrors of Debian's archive, separated by spaces
ARCHIVE = "INFRA_DEBIAN_ARCHIVE"
#: the program of apt that downloads files by URL. Source: apt's package
HELPER = "/usr/lib/apt/apt-helper"
#: the keys of Debian's archive. Source: the package debian-archive-keyring
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: the lists that apt also downloads on machines with a desktop or with apt-file; they are not needed
_OTHER_LISTS = (
    "DEP-11",
    *(f"DEP-11-icons{size}" for size in ("", "-small", "-large", "-hidpi", "-large-hidpi")),
    "Contents-deb",
)
#: another name for the lists of packages: under this name, `apt-get indextargets` does not parse the lists,
#: which would take a second
_TARGET = "Infra"
_TARGET_OPTIONS = (
    "-oAcquire::IndexTargets::deb::Packages::DefaultEnabled=false",
    f"-oAcquire::IndexTargets::deb::{_TARGET}::MetaKey=$(COMPONENT)/binary-$(ARCHITECTURE)/Packages",
    f"-oAcquire::IndexTargets::deb::{_TARGET}::ShortDescription={_TARGET}",
    f"-oAcquire::IndexTargets::deb::{_TARGET}::Description={_TARGET}",
)
_WITHOUT_APT = (
    f"Set {ARCHIVE} to the address of a mirror of Debian, create a bundle on a machine with apt "
    "(`infra bin bundle`) and install from it, or put the programs on PATH."
)
_URI = re.compile(r"^'([^']+)' (\S+) (\d+) ", re.MULTILINE)
#: the names of libraries; other dependencies are needed only if programs are installed in the system
_LIBRARY = re.compile(r"lib(?!pam-)[a-z0-9.+-]*(?<!-perl)(?<!-data)(?<!-common)")


class GoneError(InstallError):
    """A locked package is no longer in the archive, which contains only the newest versions."""


@frozen
class Repository:
    """A part of the archive of Debian in apt's configuration."""

    address: str
    suite: str


def repositories() -> list[Repository]:
    """Return the parts of Debian's archive that are in the configuration of apt.

    Raises `InstallError` if apt is missing or its configuration contains no archive of Debian.
    """
    program = shutil.which("apt-get")
    if program is None:
        raise InstallError("apt", "apt-get is missing", hint="Put the programs on PATH instead.")
    # The option `--no-release-info` makes apt print all parts, also those whose lists this machine has not
    # downloaded.
    configured = _index_targets(program, "--no-release-info")
    other_targets = {
        target[:2] for target in _index_targets(program) if target[3] not in {"Debian", "$(ORIGIN)"}
    }
    parts = [
        Repository(address=address, suite=suite)
        for address, suite, component, _ in configured
        if component == "main"
        and re.fullmatch(r"[a-z]+(-updates|-security)?", suite)
        and not address.startswith("cdrom:")
        and (address, suite) not in other_targets
    ]
    if not parts:
        raise InstallError("apt", "the configuration of apt contains no archive of Debian", _WITHOUT_APT)
    return parts


def _index_targets(program: str, *options: str) -> list[tuple[str, str, str, str]]:
    """Return the address, suite, component and origin of each list of packages.

    The origin is `$(ORIGIN)` if apt has not downloaded the list.
    """
    format_ = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    command = [program, "indextargets", *_TARGET_OPTIONS, *options, "--format", format_]
    text = registry_client.run("apt", command, folder=Path("/nonexistent"))
    rows = [line.split("|") for line in dict.fromkeys(text.splitlines())]
    return [
        (row[1], row[2], row[3], row[4]) for row in rows if row[0] in {"Packages", _TARGET} and len(row) == 5
    ]


def lock(recipe: Recipe, source: Debian, platform: str, work: Path) -> Locked:
    """Solve the dependencies of the packages with the signed index of the archive, and return a lock entry.

    The entry contains the packages and the libraries that they need. Other dependencies, such as `adduser`,
    are left out, because only the scripts of an installation in the system need them.
    """
    architecture = platforms.DEBIAN_ARCHITECTURES.get(platform)
    if architecture is None:
        raise InstallError(recipe.name, f"the packages of Debian do not run on {platform}")
    archives = [of_release(repository, source.release) for repository in repositories()]
    apt = _Apt(recipe.name, work, architecture)
    apt.write_sources(archives)
    apt.run("apt-get", "update")
    uris = apt.run("apt-get", "install", "--print-uris", "--no-install-recommends", "-y", *source.packages)
    solved = {_package_name(match[2]): match[1] for match in _URI.finditer(uris)}
    stanzas = _stanzas(apt.run("apt-cache", "show", "--no-all-versions", *sorted(solved)))
    package_names = [name for name in solved if name in stanzas and name not in source.without]
    needed = _closure(source.packages, {name: stanzas[name] for name in package_names})
    artefacts = [_artefact(stanzas[name], solved[name], archives) for name in needed]
    main = next(artefact for artefact in artefacts if artefact.name == source.packages[0])
    return Locked(
        recipe=recipe.name,
        platform=platform,
        source=NAME,
        version=main.version,
        licence=recipe.licence,
        artefacts=tuple(artefacts),
    )


def of_release(repository: Repository, release: str) -> Repository:
    """Return the same part of the archive in `release`; if `release` is empty, `repository` itself."""
    suite = re.sub(r"^[a-z]+", release, repository.suite) if release else repository.suite
    return Repository(address=repository.address, suite=suite)


class _Apt:
    """Runs programs of apt with separate lists, cache and status, and only with Debian's archive."""

    def __init__(self, recipe: str, work: Path, architecture: str) -> None:
        self._recipe, self._work = recipe, work
        for name in ("lists/partial", "cache/archives/partial", "etc"):
            (work / name).mkdir(parents=True)
        (work / "status").touch()
        options = {
            "Dir::State": work,
            "Dir::State::Lists": work / "lists",
            "Dir::Cache": work / "cache",
            # The images of Docker set an empty path, so that each command would parse the lists again.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::State::status": work / "status",
            "Dir::Etc::SourceList": work / "etc" / "sources.list",
            "Dir::Etc::SourceParts": "-",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "Acquire::Languages": "none",
            # The lock is trusted without a further signature, also if the user allows archives without one.
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            # Only the lists of packages are needed, and not the lists of icons and descriptions for app
            # stores.
            **{f"Acquire::IndexTargets::deb::{name}::DefaultEnabled": "false" for name in _OTHER_LISTS},
        }
        self._options = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def write_sources(self, archives: Sequence[Repository]) -> None:
        """Write apt's list of sources: parts of Debian's archive, and the keys for their signatures."""
        lines = [
            f"deb [signed-by={KEYRING}] {repository.address} {repository.suite} main\n"
            for repository in archives
        ]
        (self._work / "etc" / "sources.list").write_text("".join(lines))

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of apt and return its output."""
        command = [program, *self._options, *arguments]
        return registry_client.run(self._recipe, command, folder=self._work, env={"LC_ALL": "C.UTF-8"})


def _package_name(file_name: str) -> str:
    return file_name.partition("_")[0]


def _stanzas(text: str) -> dict[str, dict[str, str]]:
    """Return a mapping from package to its fields, from the output of `apt-cache show`.

    Source: deb-control(5).
    """
    stanzas = {}
    for paragraph in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and not line.startswith(" ")
        )
        if "Package" in fields and fields["Package"] not in stanzas:
            stanzas[fields["Package"]] = fields
    return stanzas


def _closure(packages: Sequence[str], solved: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the names of `packages`, and of the libraries in `solved` that they depend on, sorted."""
    provided = {
        name.strip().partition(" ")[0]: package
        for package, fields in solved.items()
        for name in fields.get("Provides", "").split(",")
    }
    waiting, needed = list(packages), set(packages)
    while waiting:
        for name in _dependencies(solved.get(waiting.pop(), {})):
            package = name if name in solved else provided.get(name, "")
            if package and package not in needed and _LIBRARY.fullmatch(package):
                needed.add(package)
                waiting.append(package)
    return sorted(needed & solved.keys())


def _dependencies(fields: Mapping[str, str]) -> Iterator[str]:
    for field in ("Pre-Depends", "Depends"):
        for alternatives in fields.get(field, "").split(","):
            for alternative in alternatives.split("|"):
                yield re.split(r"[ (:]", alternative.strip())[0]


def _artefact(fields: Mapping[str, str], uri: str, archives: Sequence[Repository]) -> Artefact:
    suites = [repository.suite for repository in archives if uri.startswith(repository.address)]
    return Artefact(
        registry="debian",
        name=fields["Package"],
        version=fields["Version"],
        path=fields["Filename"],
        sha256=fields["SHA256"],
        size=int(fields["Size"]),
        # The parts of an archive at the same address share their files; the first suite identifies it.
        suite=suites[0] if suites else "",
    )


def fetch(recipe: str, artefacts: Sequence[Artefact], folder: Path, progress: Progress | None) -> None:
    """Download locked packages into an empty folder; a package with another hash is refused.

    Raises `InstallError` if the archive does not answer or no longer has a package.
    """
    if addresses := os.environ.get(ARCHIVE, "").split():
        _download(recipe, artefacts, folder, addresses, progress)
        return
    if not Path(HELPER).exists():
        raise InstallError(recipe, "apt is missing on this machine", hint=_WITHOUT_APT)
    archives = repositories()
    words = [
        word
        for artefact in artefacts
        for word in (_uri(artefact, archives), str(folder / artefact.file_name), f"SHA256:{artefact.sha256}")
    ]
    command = [HELPER, "-o", "APT::Sandbox::User=", "download-file", *words]
    expected = sum(artefact.size for artefact in artefacts)
    try:
        registry_client.run(recipe, command, folder=folder, expected=expected, progress=progress)
    except InstallError as error:
        # The second message is for an address `file:`.
        if "404" in error.reason or "File not found" in error.reason:
            raise GoneError(recipe, error.reason, "`infra bin lock` resolves the recipe again.") from error
        raise


def _download(
    recipe: str,
    artefacts: Sequence[Artefact],
    folder: Path,
    addresses: Sequence[str],
    progress: Progress | None,
) -> None:
    """Download locked packages; each package is downloaded from the first address that has it."""
    downloaded_bytes = 0
    for artefact in artefacts:
        target = folder / artefact.file_name
        for address in addresses:
            url = f"{address.rstrip('/')}/{artefact.path}"
            try:
                download.download(recipe, url, target, size=artefact.size, digest=artefact.sha256)
            except InstallError as error:
                if "answers 404" not in error.reason:
                    raise
            else:
                break
        else:
            problem = f"none of the addresses in {ARCHIVE} has the file {artefact.path}"
            raise GoneError(recipe, problem, "`infra bin lock` resolves the recipe again.")
        downloaded_bytes += artefact.size
        if progress:
            progress(downloaded_bytes)


def _uri(artefact: Artefact, archives: Sequence[Repository]) -> str:
    """Return the URL of a package in the part of Debian's archive that contains it.

    If the suite of the package is not in the configuration of apt, the URL is in a part with the same purpose
    (with or without security updates).
    """
    is_security = artefact.suite.endswith("-security")
    same_suite = [repository for repository in archives if repository.suite == artefact.suite]
    alike = [repository for repository in archives if repository.suite.endswith("-security") == is_security]
    selected = next(iter([*same_suite, *alike, *archives]))
    return f"{selected.address.rstrip('/')}/{artefact.path}"
