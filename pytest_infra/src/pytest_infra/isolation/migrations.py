"""Migrations: functions that fill an empty unit, such as a database.

If a server can clone units, the filled unit is a template, from which the units of tests are cloned. Each
migration has a key. If the result of a migration depends on source code or on a file, a change of this code
or file changes the key.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from infra_runtime.value import frozen

#: The type of a function that migrates; its argument is the empty unit. It can be a coroutine function.
Migrate: TypeAlias = Callable[[Endpoint], object]
#: The types of the values that a fixture for migrations can return. A list can contain values of all types.
Source: TypeAlias = "str | os.PathLike[str] | Migrate | Migrations | Sequence[Source] | None"

#: Exceptions that mean that a migration has failed, although they do not derive from `Exception`: `sys.exit`,
#: which commands of Django and Alembic call, raises the first exception, and `pytest.fail` raises the second.
ENDS = (SystemExit, pytest.fail.Exception)


@frozen
class Migrations:
    """A function that changes an empty isolation unit (such as a database), with a key.

    The key is a hash of the contents on which the result of the function depends. Two objects with the same
    key are equal.
    """

    run: Migrate = field(compare=False)
    #: sixteen hexadecimal digits; if they change, a new template is created
    key: str

    @classmethod
    def of(cls, run: Migrate, *files: str | os.PathLike[str], version: str = "") -> Migrations:
        """Return the migrations of a callable whose result depends on its module and on other files.

        The key depends on the content of the module and of the files, and on the values that the callable has
        from `functools.partial`, defaults and enclosing functions. It does not depend on the modules that
        this module imports: they can be given in `files`. For a folder, the key depends on all files in the
        folder except `__pycache__`; a missing file is ignored. With a `version`, the key depends only on the
        string `version`.
        """
        content = [version.encode()] if version else [*_source(run), *contents(map(Path, files))]
        return cls(run=functools.partial(_call, run), key=key_of(content))


def _call(run: Migrate, unit: Endpoint) -> None:
    """Call a function that migrates; if it is a coroutine function, run its coroutine to the end.

    The coroutine has its own event loop, in a thread, because an event loop of a test may be running.
    """
    result = run(unit)
    if inspect.iscoroutine(result):
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, result).result()


def read(source: Source, where: str, read_text: Callable[[str, str], Migrations]) -> Migrations:
    """Return the migrations that the value of a fixture or an ini value describes.

    `where` is the name of the fixture or ini value, for error messages. `read_text(text, where)` returns the
    migrations for a string: a path, or `MODULE:FUNCTION`.

    Raises:
        ConfigurationError: the value does not describe migrations.
    """
    return combined([_read(element, name, read_text) for element, name in flattened(source, where)])


def _read(source: Source, where: str, read_text: Callable[[str, str], Migrations]) -> Migrations:
    """Return the migrations of a single source, not of a list."""
    if isinstance(source, Migrations):
        return source
    if callable(source):
        return Migrations.of(source)
    if isinstance(source, (str, os.PathLike)):
        return read_text(str(os.fspath(source)), where)
    raise ConfigurationError(
        f"{source!r} ({type(source).__name__}) is not a source of migrations",
        where=where,
        hint="A source is a path, `MODULE:FUNCTION`, a function, a `Migrations`, or a list of them.",
    )


def combined(migrations: Sequence[Migrations]) -> Migrations:
    """Return one `Migrations` object that runs all these migrations in their order."""
    if len(migrations) == 1:
        return migrations[0]

    def run(database: Endpoint) -> None:
        for migration in migrations:
            migration.run(database)

    return Migrations(run=run, key=key_of(migration.key.encode() for migration in migrations))


def flattened(source: Source, where: str) -> Iterator[tuple[Source, str]]:
    """Yield each source of migrations in a list and in its nested lists, with its name, such as `WHERE[1]`.

    A string with several lines is treated as the list of its lines. None and empty strings are skipped.
    """
    if isinstance(source, str):
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        source = lines[0] if len(lines) == 1 else lines
    if isinstance(source, (list, tuple)):
        for index, element in enumerate(source):
            yield from flattened(element, f"{where}[{index}]")
    elif source is not None:
        yield source, where


def imported(text: str, where: str) -> Migrations:
    """Import the function that `MODULE:FUNCTION` names, and return migrations that call the function.

    Raises `ConfigurationError` if the import fails.
    """
    module, _, name = text.partition(":")
    try:
        run: Migrate = attrgetter(name)(import_module(module))
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{text!r} cannot be imported: {type(error).__name__}: {error}",
            where=where,
            hint="The module must be in a folder of `sys.path`; the ini value `pythonpath` adds folders.",
        ) from error
    return Migrations.of(run)


def key_of(parts: Iterable[bytes]) -> str:
    """Return the key of migrations: a hash of the contents on which their result depends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def contents(paths: Iterable[Path]) -> list[bytes]:
    """Return the names and contents of files, as bytes; a folder adds all its files except `__pycache__`.

    A missing file is ignored.
    """
    names_and_contents: list[bytes] = []
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                names_and_contents += [str(file.relative_to(path.parent)).encode(), file.read_bytes()]
    return names_and_contents


def _source(run: Migrate) -> list[bytes]:
    """Return the source code of a callable's module, the callable's name, and its bound values."""
    bound_values: list[object] = []
    function = inspect.unwrap(run)
    while isinstance(function, functools.partial):
        bound_values += [*function.args, *sorted(function.keywords.items())]
        function = inspect.unwrap(function.func)
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        file = None
    name = getattr(function, "__qualname__", "")
    if file is None or not name or not Path(file).is_file():
        raise ConfigurationError(
            f"the source code of {run!r} cannot be found, so changes of the code would not be detected",
            hint='Set a version: `Migrations.of(run, version="1")`.',
        )
    if inspect.isfunction(function):
        # Two functions of a module can have the same name, such as `<lambda>`.
        code = function.__code__
        constants = [value for value in code.co_consts if not inspect.iscode(value)]
        bound_values += [code.co_firstlineno, code.co_code, code.co_names, constants]
        bound_values += [function.__defaults__, function.__kwdefaults__, *_enclosed(function)]
    return [Path(file).read_bytes() + name.encode(), *(_stable(value).encode() for value in bound_values)]


def _enclosed(function: Callable[..., object]) -> Iterator[object]:
    """Yield the values that a function uses from its enclosing functions."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the enclosing function has not assigned the variable yet
            yield None


def _stable(value: object) -> str:
    """Return a string that describes `value` and that is the same in all processes.

    The string is the `repr` of the value. If the `repr` contains a memory address, which differs between
    processes, the string is the name of the value's type.
    """
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text
