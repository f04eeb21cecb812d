"""Migrations: functions that change an empty unit to a template, from which units are cloned.

Each migration has a key, which changes when the resulting template can change.
"""

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

#: The type of a function that migrates; its argument is the empty unit.
Migrate: TypeAlias = Callable[[Endpoint], object]
#: The types of the values that a fixture for migrations can return.
Source: TypeAlias = "str | os.PathLike[str] | Migrate | Migrations | None"


@frozen
class Migrations:
    """A function that changes an empty isolation unit (such as a database), with a key.

    The key is a hash of everything on which the result of the function depends. Two objects with the same key
    are equal.
    """

    run: Migrate = field(compare=False)
    #: sixteen hexadecimal digits; if they change, a new template is created
    key: str

    @classmethod
    def of(cls, run: Migrate, *files: str | os.PathLike[str], version: str = "") -> Migrations:
        """Return the migrations of a callable whose result depends on its module and on other files.

        The key depends on the content of the module and of the files; a folder stands for all files in it.
        With a `version`, the key depends only on the text of the version.
        """
        content = [version.encode()] if version else [_source(run), *contents(map(Path, files))]
        return cls(run=run, key=key_of(content))


def none() -> Migrations:
    """Return the migrations for units without migrations: the function does not change the empty unit."""
    return Migrations(run=lambda _: None, key=key_of([]))


def imported(text: str, where: str) -> Migrations:
    """Import the function in the text `MODULE:FUNCTION`, and return the migrations that it runs.

    Raises `ConfigurationError` if the import fails.
    """
    module, _, name = text.partition(":")
    try:
        run: Migrate = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{text!r} cannot be imported: {error}", where=where) from error
    return Migrations.of(run)


def key_of(parts: Iterable[bytes]) -> str:
    """Return the key of migrations: a hash of the contents on which their result depends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def contents(paths: Iterable[Path]) -> list[bytes]:
    """Return the names and contents of files; a folder stands for all files in it."""
    parts: list[bytes] = []
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                parts += [str(file.relative_to(path.parent)).encode(), file.read_bytes()]
    return parts


def _source(run: Migrate) -> bytes:
    """Return the source of a callable's module, and the callable's name."""
    function = inspect.unwrap(run)
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        file = None
    name = getattr(function, "__qualname__", "")
    if file is None or not name or not Path(file).is_file():
        raise ConfigurationError(
            f"the source of {run!r} cannot be found, so a change of it would not be detected",
            hint='Set a version: `Migrations.of(run, version="1")`.',
        )
    return Path(file).read_bytes() + name.encode()
