"""The stack file: `infra.toml`, or `[tool.infra]` in `pyproject.toml`, and where each of its keys stands."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_runtime.errors import ConfigurationError

Key = tuple[str, ...]
NAME = "infra.toml"
_OUR_TABLE = re.compile(rb"^[ \t]*\[tool\.infra[\].]", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """One file; `table` is where in it our part begins. It is parsed when its values are asked for."""

    path: Path
    text: str
    table: Key = ()

    @functools.cached_property
    def values(self) -> Mapping[str, Any]:
        """Our part of the file. Raises `ConfigurationError` where it is no TOML."""
        values = _parse(self.path, self.text)
        for part in self.table:
            values = values[part]
        return values

    def where(self, key: Key) -> str:
        """File and line of the key, or of the nearest table around it."""
        places = positions(self.text)
        full = (*self.table, *key)
        while full and full not in places:
            full = full[:-1]
        return f"{self.path}:{places[full]}" if full else str(self.path)


def find(directory: Path) -> StackFile | None:
    """The stack file of this directory or of the nearest one above it."""
    for folder in (directory, *directory.parents):
        own, project = folder / NAME, folder / "pyproject.toml"
        is_own, is_project = own.is_file(), _is_ours(project)
        if is_own and is_project:
            raise ConfigurationError(
                f"the stack is described here and in {own}",
                where=str(project),
                hint=f"Keep one: {NAME}, or [tool.infra] in pyproject.toml.",
            )
        if is_own:
            return read(own)
        if is_project:
            return StackFile(path=project, text=_text(project), table=("tool", "infra"))
    return None


def overlay(file: StackFile, environment: str) -> StackFile | None:
    """`infra.test.toml` and its like, beside the stack file."""
    path = file.path.with_name(f"infra.{environment}.toml")
    return read(path) if path.is_file() else None


def read(path: Path) -> StackFile:
    """The file as it is. Raises `ConfigurationError` where it cannot be read."""
    return StackFile(path=path, text=_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path)) from None


def _is_ours(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if _OUR_TABLE.search(content):
        return True
    # Most files on the way up are not ours: they need not be well-formed, and reading them costs.
    if b"infra" not in content or b"tool" not in content:
        return False
    try:
        tool = _parse(path, content.decode("utf-8", "replace")).get("tool")
    except ConfigurationError:
        return False
    return isinstance(tool, dict) and isinstance(tool.get("infra"), dict)


_LIST_OF_SERVICES = re.compile(r"^[ \t]*(?:tool\.infra\.)?services[ \t]*=[ \t]*\[", re.MULTILINE)
_TABLE_OF_SERVICES = re.compile(r"^[ \t]*\[{1,2}[ \t]*(?:tool\.infra\.)?services[ \t]*[.\]]", re.MULTILINE)


def _parse(path: Path, text: str) -> Mapping[str, Any]:
    import tomllib  # the dearest import of a stack that was resolved before

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"line (\d+)", str(error))
        hint = ""
        if _LIST_OF_SERVICES.search(text) and _TABLE_OF_SERVICES.search(text):
            hint = "One name cannot be a list and a table: the list of services is called `use`."
        where = f"{path}:{match[1]}" if match else str(path)
        raise ConfigurationError(f"this is not TOML: {error}", where=where, hint=hint) from None


# --- positions: tomllib gives none -----------------------------------------------------------------

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]''',
    re.DOTALL,
)


@functools.lru_cache(maxsize=8)
def positions(text: str) -> Mapping[Key, int]:
    """The line of each table header and each key that begins a line of well-formed TOML.

    Remembered, for every value's origin asks for it: a file of 500 services would take half a minute.
    """
    found: dict[Key, int] = {}
    table: Key = ()
    for start, line in _statements(text):
        if match := _HEADER.match(text, start):
            table = _parts(match[1])
            _note(found, (), table, line)
        elif match := _ASSIGNMENT.match(text, start):
            _note(found, table, _parts(match[1]), line)
    return found


def _note(found: dict[Key, int], table: Key, parts: Key, line: int) -> None:
    for end in range(1, len(parts) + 1):
        found.setdefault((*table, *parts[:end]), line)


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Offset and line of every line that does not go on with what began before it."""
    depth, end, line = 0, 0, 1
    yield end, line
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                line += text.count("\n", end, token.end())
                end = token.end()
                yield end, line


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
