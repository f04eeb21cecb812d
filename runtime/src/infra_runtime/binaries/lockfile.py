"""The lock: for each recipe and platform, the artefacts (files of a registry) with size and SHA-256.

The kit contains a lock for its own recipes; a project can have another lock, `infra.lock` beside the stack
file, which takes precedence and also contains the digests of the images of services. A lock contains the URLs
of archives, but no address of a registry: this address comes from the configuration of pip, apt, Maven, Go
and npm on the machine that installs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from infra_runtime.binaries.recipe import Recipe
from infra_runtime.errors import ConfigurationError, InstallError
from infra_runtime.value import fields_of, frozen

#: the name of a project's lock
NAME = "infra.lock"
#: the lock of the kit's recipes
KIT = Path(__file__).with_name("kit.lock.json")
#: the version of the format
FORMAT = 1
#: the names of the types of registries
REGISTRIES = frozenset({"python", "debian", "maven", "go", "npm", "url"})
#: the pattern of the name of a recipe; a folder in the store has the same name
RECIPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_HASH = re.compile(r"[0-9a-f]{64}")
#: the pattern of a name or a version, which is an argument of a registry's client and must not look like an
#: option
_WORD = re.compile(r"[^\s-]\S*")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@frozen
class Artefact:
    """A file of a registry, such as a wheel, a Debian package or a jar."""

    #: one of `REGISTRIES`
    registry: str
    #: the name of the distribution or package
    name: str
    version: str
    #: the file name of the wheel, the URL of the archive, or the path in the archive of Debian, in a Maven
    #: repository or in a Go module proxy
    path: str
    sha256: str
    size: int
    #: the SPDX expression in the metadata of the artefact; may be empty
    licence: str = ""
    #: for Debian: the suite of the archive that contains the package, such as `bookworm-security`
    suite: str = ""

    @classmethod
    def of(
        cls, file: Path, *, registry: str, name: str, version: str, path: str = "", licence: str = ""
    ) -> Artefact:
        """Return an artefact with the size and the hash of a downloaded file, and the arguments as fields.

        `path` is the path of the file in its registry; by default, the name of the file.
        """
        return cls(
            registry=registry,
            name=name,
            version=version,
            path=path or file.name,
            sha256=sha256(file),
            size=file.stat().st_size,
            licence=licence,
        )

    @property
    def file_name(self) -> str:
        """The name of the downloaded file in the store: the first digits of its hash, and its file name."""
        return f"{self.sha256[:16]}-{self.path.rpartition('/')[2]}"


@frozen
class Locked:
    """The artefacts of one recipe for one platform."""

    recipe: str
    platform: str
    #: the name of the module in the package `sources` that has created the entry
    source: str
    version: str
    licence: str
    artefacts: tuple[Artefact, ...]
    #: a hash of the settings for the build of the programs; empty without such settings
    build: str = ""

    @classmethod
    def single(cls, recipe: Recipe, platform: str, source: str, artefact: Artefact) -> Locked:
        """Return the lock entry of a recipe with a single artefact; its version is that of the artefact."""
        return cls(
            recipe=recipe.name,
            platform=platform,
            source=source,
            version=artefact.version,
            licence=recipe.licence,
            artefacts=(artefact,),
        )

    @property
    def key(self) -> str:
        """The folder's name in the store: the version, and a hash of all artefacts and the build settings."""
        hashes = [artefact.sha256 for artefact in self.artefacts] + ([self.build] if self.build else [])
        digest = hashlib.sha256(" ".join(hashes).encode())
        return f"{re.sub(r'[^0-9A-Za-z.+-]', '_', self.version)}-{digest.hexdigest()[:8]}"

    @property
    def size(self) -> int:
        """The number of bytes of all artefacts."""
        return sum(artefact.size for artefact in self.artefacts)


@frozen
class Lock:
    """All entries of a lock file, by recipe and platform, and the digests of images."""

    entries: Mapping[tuple[str, str], Locked]
    #: image with its registry and tag → digest, such as `sha256:…`
    images: Mapping[str, str] = field(default_factory=dict)

    def get(self, recipe: str, platform: str) -> Locked | None:
        """Return the entry of a recipe for a platform; None if the lock does not contain it."""
        return self.entries.get((recipe, platform))

    def platforms(self, recipe: str) -> list[str]:
        """Return the platforms for which the lock has an entry of the recipe."""
        return sorted(platform for name, platform in self.entries if name == recipe)

    def updated(self, entries: Iterable[Locked]) -> Lock:
        """Return a copy of the lock with `entries`; they replace those with the same recipe and platform."""
        new_entries = {(entry.recipe, entry.platform): entry for entry in entries}
        return replace(self, entries={**self.entries, **new_entries})


EMPTY = Lock(entries={})


def read(path: Path) -> Lock:
    """Return the lock in a file; empty if the file is missing.

    Raises `ConfigurationError` if the file cannot be read or is not a lock.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return EMPTY
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path), hint=_HINT) from None
    try:
        _check_format(data["format"])
        entries = [
            decode(entry, recipe=recipe, platform=platform)
            for recipe, platforms in data["recipes"].items()
            for platform, entry in platforms.items()
        ]
        images = _images(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"is not a lock of executables: {error!r}"
        raise ConfigurationError(problem, where=str(path), hint=_HINT) from None
    return replace(EMPTY.updated(entries), images=images)


def _images(data: Mapping[str, Any]) -> dict[str, str]:
    images = dict(data.get("images", {}))
    for image, digest in images.items():
        if not isinstance(digest, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ValueError(f"{image}: {digest!r} is not a digest")
    return images


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise ValueError(f"format {number!r}; this version of pytest-infra reads {FORMAT}")


_HINT = "`infra bin lock` writes this file; restore it from version control, or remove it and lock again."


def write(path: Path, lock: Lock) -> None:
    """Write a lock file with sorted keys, one artefact per line, so that a change is readable in a diff.

    Raises `InstallError` if the file cannot be written.
    """
    recipes: dict[str, dict[str, Any]] = {}
    for (recipe, platform), entry in sorted(lock.entries.items()):
        recipes.setdefault(recipe, {})[platform] = encode(entry)
    images = {"images": dict(sorted(lock.images.items()))} if lock.images else {}
    data = {"format": FORMAT, "recipes": recipes, **images}
    text = json.dumps(data, indent=1, ensure_ascii=False)
    # Each artefact is an object without nested values; its lines are joined.
    text = re.sub(r"\{\n\s+(\"registry\"[^{}]*?)\n\s+\}", lambda match: _one_line(match[1]), text)
    temporary = path.with_name(f".{path.name}-{os.getpid()}.new")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _unwritable(path, error) from error


def update(path: Path, entries: Iterable[Locked] = (), images: Mapping[str, str] | None = None) -> None:
    """Add entries and digests of images to a lock file; they replace entries with the same key.

    A lock on the folder prevents two processes from overwriting each other's entries. Raises
    `InstallError` if the file cannot be written, and `ConfigurationError` if its content is not a lock.
    """
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lock = read(path)
        write(path, replace(lock.updated(entries), images={**lock.images, **(images or {})}))
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> InstallError:
    problem = f"cannot be written: {error.strerror or error}"
    return InstallError(str(path), problem, "Correct the permissions, or free space on the disk.")


def _one_line(fields: str) -> str:
    return "{" + " ".join(line.strip() for line in fields.splitlines()) + "}"


def encode(entry: Locked) -> dict[str, Any]:
    """Return an entry as JSON data, without the names of its recipe and of its platform."""
    return {
        "source": entry.source,
        "version": entry.version,
        "licence": entry.licence,
        **({"build": entry.build} if entry.build else {}),
        "artefacts": [_encoded(artefact) for artefact in entry.artefacts],
    }


def _encoded(artefact: Artefact) -> dict[str, Any]:
    values = {attribute.name: getattr(artefact, attribute.name) for attribute in fields_of(artefact)}
    return {name: value for name, value in values.items() if value != ""}


def decode(data: Mapping[str, Any], *, recipe: str, platform: str) -> Locked:
    """Return the entry in JSON data of `encode`. Raises `KeyError`, `TypeError` or `ValueError`."""
    artefacts = tuple(Artefact(**artefact) for artefact in data["artefacts"])
    for artefact in artefacts:
        texts = (artefact.registry, artefact.name, artefact.version, artefact.path, artefact.sha256)
        if not all(isinstance(text, str) for text in texts) or not isinstance(artefact.size, int):
            raise TypeError(f"{artefact.name}: a field has the wrong type")
        if artefact.registry not in REGISTRIES:
            raise ValueError(f"{artefact.name}: the registry {artefact.registry!r} is unknown")
        if not all(_WORD.fullmatch(text) for text in (artefact.name, artefact.version or "0")):
            raise ValueError(f"the name {artefact.name!r} or the version {artefact.version!r} is invalid")
        if not _HASH.fullmatch(artefact.sha256):
            raise ValueError(f"{artefact.name}: {artefact.sha256!r} is not a SHA-256")
        if artefact.size < 0:
            raise ValueError(f"{artefact.name}: the size {artefact.size} is negative")
        parts = artefact.path.split("/")
        if not artefact.path or "\0" in artefact.path or ".." in parts or not parts[0]:
            raise ValueError(f"{artefact.name}: the path {artefact.path!r} is invalid")
    if not RECIPE_NAME.fullmatch(recipe):
        raise ValueError(f"{recipe!r} is not the name of a recipe")
    return Locked(
        recipe=recipe,
        platform=platform,
        source=str(data["source"]),
        version=str(data["version"]),
        licence=str(data["licence"]),
        artefacts=artefacts,
        build=str(data.get("build", "")),
    )


def differences(old: Locked | None, new: Locked) -> list[str]:
    """Return a line for each artefact that differs between two entries of a recipe: `NAME OLD → NEW`.

    If an entry has several artefacts with one name, only the last of them is compared.
    """
    old_artefacts = {artefact.name: artefact for artefact in old.artefacts} if old else {}
    new_artefacts = {artefact.name: artefact for artefact in new.artefacts}
    lines = []
    for name in sorted(old_artefacts.keys() | new_artefacts.keys()):
        old_artefact, new_artefact = old_artefacts.get(name), new_artefacts.get(name)
        if old_artefact is None or new_artefact is None or old_artefact.sha256 != new_artefact.sha256:
            versions = (
                old_artefact.version if old_artefact else "absent",
                new_artefact.version if new_artefact else "absent",
            )
            suffix = " (another file)" if versions[0] == versions[1] else ""
            lines.append(f"{name} {versions[0]} → {versions[1]}{suffix}")
    return lines
