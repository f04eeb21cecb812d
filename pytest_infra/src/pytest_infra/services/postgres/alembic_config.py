"""Alembic's configuration: its files, and the folders with migration scripts to which it refers.

Source: Alembic documentation, "Tutorial", sections "Editing the .ini File" and "Using pyproject.toml for
configuration", and "Working with Branches", section "Setting up Multiple Version Directories".
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ParserError
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infra_runtime.errors import ConfigurationError
from infra_runtime.value import frozen

INI, TOML = "alembic.ini", "pyproject.toml"
SECTION = "alembic"
#: the values of `path_separator` and of the older `version_path_separator`
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
#: the separators of lists in an ini file without `path_separator`
_ANY_SEPARATOR = re.compile(r"[\s,]+")


@frozen
class AlembicConfig:
    """A configuration of Alembic; the command `alembic` reads it from an ini file and a TOML file."""

    ini: Path | None
    toml: Path | None
    #: the folder to which relative paths of the configuration refer
    folder: Path
    #: the folder with `env.py`
    scripts: Path
    #: the folders with the revisions
    versions: tuple[Path, ...]
    #: the option `sqlalchemy.url`; empty if the option is missing
    url: str

    def files(self) -> Iterator[Path]:
        """Yield the files and folders on which the result of the migrations depends.

        If the folder of the scripts is the folder of the project, only its Python files are scripts.
        """
        if self.ini:
            yield self.ini
        if any(file and file.parent.is_relative_to(self.scripts) for file in (self.ini, self.toml)):
            yield from sorted(self.scripts.glob("*.py"))
        else:
            yield self.scripts
        yield from (folder for folder in self.versions if folder.is_dir())

    def table(self) -> bytes:
        """Return the table `[tool.alembic]` as JSON; other tables do not change the migrations."""
        return json.dumps(_table(self.toml) if self.toml else {}, sort_keys=True, default=str).encode()


def find(path: Path, root: Path, where: str) -> AlembicConfig | None:
    """Return the configuration of Alembic that `path` selects; None if `path` selects no configuration.

    `path` is a file with a configuration, a folder with such a file, or a folder with `env.py`. The relative
    paths in the configuration may refer to the folder of the configuration or to the folder `root`.

    Raises:
        ConfigurationError: the configuration is invalid, its folder with scripts is missing, or no parent
            folder of a folder with `env.py` has a configuration for this folder.
    """
    if path.is_dir():
        if _has_config(path):
            return _read(_existing(path / INI), path / TOML, root)
        return _of_scripts(path, root, where) if (path / "env.py").is_file() else None
    if not path.is_file():
        return None
    if path.suffix in {".ini", ".cfg"}:
        return _read(path, path.with_name(TOML), root)
    if path.suffix == ".toml":
        if not _table(path):
            raise ConfigurationError(f"{path} has no table [tool.alembic]", where=where, hint=_HINT)
        return _read(_existing(path.with_name(INI)), path, root)
    return None


_HINT = "The value can be an alembic.ini, a pyproject.toml with the table [tool.alembic], or their folder."


def _of_scripts(scripts: Path, root: Path, where: str) -> AlembicConfig:
    """Return the configuration in a parent folder whose `script_location` is the folder `scripts`."""
    for folder in scripts.parents:
        if _has_config(folder):
            config = _read(_existing(folder / INI), folder / TOML, root)
            if config.scripts.resolve() == scripts.resolve():
                return config
    raise ConfigurationError(
        f"{scripts} has an env.py, but no parent folder has an alembic.ini or a pyproject.toml whose"
        " `script_location` is this folder",
        where=where,
        hint=_HINT,
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _has_config(folder: Path) -> bool:
    return (folder / INI).is_file() or bool(_table(folder / TOML))


def _table(toml: Path) -> Mapping[str, Any]:
    """Return the table `[tool.alembic]` of a file; empty if the file or the table is missing."""
    try:
        tool = tomllib.loads(toml.read_text(encoding="utf-8")).get("tool", {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(error), where=str(toml)) from error
    table = tool.get("alembic", {}) if isinstance(tool, dict) else {}
    return table if isinstance(table, dict) else {}


def _read(ini: Path | None, toml: Path, root: Path) -> AlembicConfig:
    table = _table(toml)
    folder = (ini or toml).absolute().parent
    options = _Options(ini, table, folder)
    location = options.text("script_location")
    if not location:
        raise ConfigurationError("the option `script_location` is missing", where=str(ini or toml))
    for base in (folder, root):
        search = [base, *(base / part for part in options.texts("prepend_sys_path"))]
        scripts = _folder(location, base, search)
        if scripts is not None and scripts.is_dir():
            versions = [_folder(text, base, search) for text in options.texts("version_locations")]
            return AlembicConfig(
                ini=ini,
                toml=toml if table else None,
                folder=base,
                scripts=scripts,
                versions=tuple(version for version in versions if version) or (scripts / "versions",),
                url=options.text("sqlalchemy.url", raw=True),
            )
    raise ConfigurationError(
        f"the folder {location!r} of `script_location` is missing",
        where=str(ini or toml),
        hint=f"A relative path is looked up in {folder} first, and then in {root}. {_HINT}",
    )


class _Options:
    """The options of Alembic in the section `[alembic]` of an ini file, or else in a table of a TOML file."""

    def __init__(self, ini: Path | None, table: Mapping[str, Any], folder: Path) -> None:
        self._where, self._table = str(ini or folder / TOML), table
        self._here = {"here": folder.as_posix()}
        self._parser = ConfigParser(self._here)
        try:
            if ini:
                self._parser.read(ini, encoding="utf-8")
        except (ParserError, UnicodeError) as error:
            raise ConfigurationError(str(error), where=self._where) from error

    def text(self, name: str, *, raw: bool = False) -> str:
        """Return an option as text; empty if the option is missing.

        With `raw`, references such as `%(here)s` in an ini file are not replaced.
        """
        try:
            text = self._parser.get(SECTION, name, fallback="", raw=raw)
        except ParserError as error:
            raise ConfigurationError(str(error), where=self._where) from error
        return text or self._replaced(self._table.get(name, ""))

    def texts(self, name: str) -> list[str]:
        """Return an option as a list: an array in TOML, or a string with separators in an ini file."""
        value = self._table.get(name, [])
        if not (text := self._parser_text(name)):
            return (
                [self._replaced(part) for part in value]
                if isinstance(value, list)
                else [self._replaced(value)]
            )
        choice = self.text("path_separator") or self.text("version_path_separator")
        separator = _SEPARATORS.get(choice)
        parts = text.split(separator) if separator else _ANY_SEPARATOR.split(text)
        return [stripped for part in parts if (stripped := part.strip())]

    def _parser_text(self, name: str) -> str:
        return self.text(name) if self._parser.has_option(SECTION, name) else ""

    def _replaced(self, value: object) -> str:
        try:
            return str(value) % self._here
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{value!r} has an invalid reference: {error}", where=self._where
            ) from error


def _folder(text: str, base: Path, search: Iterable[Path]) -> Path | None:
    """Return the folder for a path, or for `PACKAGE:PATH`; None if the package is not installed."""
    if ":" not in text or Path(text).is_absolute():
        return base / text
    package, *inner = text.split(":")
    folder = _package(package, [*map(str, search), *sys.path])
    return folder.joinpath(*inner) if folder else None


def _package(name: str, path: list[str]) -> Path | None:
    """Return the folder of a package without importing it."""
    for number, part in enumerate(name.split(".")):
        spec = PathFinder.find_spec(part, path)
        if spec is None and number == 0:  # an editable installation can have its own finder
            spec = find_spec(part)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = list(spec.submodule_search_locations)
    return Path(path[0])
