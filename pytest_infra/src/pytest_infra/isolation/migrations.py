"""Migrations: what makes a template out of an empty unit, and a key that changes when the result would."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from infra_runtime.value import frozen

#: is called with the empty unit
Migrate: TypeAlias = Callable[[Endpoint], object]
#: what a fixture of migrations may return
Source: TypeAlias = "str | os.PathLike[str] | Migrate | Migrations | None"


@frozen
class Migrations:
    """How to migrate, and what the result depends on. Two with the same key are equal."""

    run: Migrate = field(compare=False)
    #: sixteen hex digits: a new template is made when they change
    key: str

    @classmethod
    def of(cls, run: Migrate, *files: str | os.PathLike[str], version: str = "") -> Migrations:
        """Return the migrations of a callable whose result depends on more than its own module.

        Folders count with everything in them. With a `version` only that text counts.
        """
        content = [version.encode()] if version else [_source(run), *contents(map(Path, files))]
        return cls(run=run, key=key_of(content))


def none() -> Migrations:
    """Return the migrations of an empty unit."""
    return Migrations(run=lambda _: None, key=key_of([]))


def imported(text: str, where: str) -> Migrations:
    """Return the migrations that `MODULE:FUNCTION` names. Raises `ConfigurationError`."""
    module, _, name = text.partition(":")
    try:
        run: Migrate = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{text!r} cannot be imported: {error}", where=where) from error
    return Migrations.of(run)


def key_of(parts: Iterable[bytes]) -> str:
    """Return the key of what a result depends on."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def contents(paths: Iterable[Path]) -> list[bytes]:
    """Return the names and the contents of files, and of everything in folders."""
    parts: list[bytes] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file.is_file() and "__pycache__" not in file.parts:
                parts += [str(file.relative_to(path.parent)).encode(), file.read_bytes()]
    return parts


def _source(run: Migrate) -> bytes:
    """The whole module of a callable, and its name there."""
    function = inspect.unwrap(run)
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        file = None
    name = getattr(function, "__qualname__", "")
    if file is None or not name or not Path(file).is_file():
        raise ConfigurationError(
            f"the source of {run!r} cannot be found, so what it depends on is unknown",
            hint='Give it a version: `Migrations.of(run, version="1")`.',
        )
    return Path(file).read_bytes() + name.encode()
