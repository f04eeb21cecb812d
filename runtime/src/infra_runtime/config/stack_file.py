"""Read the stack file, `infra.toml` or `[tool.infra]` in `pyproject.toml`, and the line of each key."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra_runtime.errors import ConfigurationError
from infra_runtime.value import frozen

Key = tuple[str, ...]
NAME = "infra.toml"
_STACK_TABLE = re.compile(rb"^[ \t]*\[tool\.infra[\].]", re.MULTILINE)


@frozen
class StackFile:
    """A stack file or an overlay, which is parsed when `values` is read for the first time.

    `table` is the key of the table that describes the stack: empty for the whole file, or `tool.infra`.
    """

    path: Path
    text: str
    table: Key = ()

    @functools.cached_property
    def values(self) -> Mapping[str, Any]:
        """The content of the table that describes the stack.

        Raises `ConfigurationError` if the file is not TOML.
        """
        values = _parse(self.path, self.text)
        for part in self.table:
            values = values[part]
        return values

    def where(self, key: Key) -> str:
        """Return the location of a key, or of the innermost table that contains it: `infra.toml:3`."""
        lines = line_numbers(self.text)
        full_key = (*self.table, *key)
        while full_key and full_key not in lines:
            full_key = full_key[:-1]
        return f"{self.path}:{lines[full_key]}" if full_key else str(self.path)


def find(directory: Path) -> StackFile | None:
    """Return the stack file in a directory, or in the nearest directory above.

    The result is None if no such file exists.

    Raises `ConfigurationError` if a directory has two stack files, or a file cannot be read.
    """
    for folder in (directory, *directory.parents):
        stack_file, project = folder / NAME, folder / "pyproject.toml"
        has_stack_file, has_project_table = stack_file.is_file(), _has_stack_table(project)
        if has_stack_file and has_project_table:
            raise ConfigurationError(
                f"the stack is described twice: in pyproject.toml and in {stack_file}",
                where=str(project),
                hint=f"Remove either {NAME} or the table [tool.infra] in pyproject.toml.",
            )
        if has_stack_file:
            return read(stack_file)
        if has_project_table:
            return StackFile(path=project, text=_text(project), table=("tool", "infra"))
    return None


def overlay(file: StackFile, environment: str) -> StackFile | None:
    """Return the overlay file of an environment, such as `infra.test.toml`; None if the file is missing."""
    path = file.path.with_name(f"infra.{environment}.toml")
    return read(path) if path.is_file() else None


def read(path: Path) -> StackFile:
    """Read a TOML file and return it as a `StackFile`. Raises `ConfigurationError` if it cannot be read."""
    return StackFile(path=path, text=_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file cannot be read: {error}", where=str(path)) from None


def _has_stack_table(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if _STACK_TABLE.search(content):
        return True
    # A `pyproject.toml` without a stack is not parsed: parsing is slow, and an invalid file must not be an
    # error if it describes no stack.
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
    import tomllib  # imported late: a stack from the plan cache does not need it, and the import is slow

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for a number with thousands of digits
        match = re.search(r"line (\d+)", str(error))
        hint = ""
        if _LIST_OF_SERVICES.search(text) and _TABLE_OF_SERVICES.search(text):
            hint = "`services` cannot be both a list and a table: the key for the list of services is `use`."
        where = f"{path}:{match[1]}" if match else str(path)
        raise ConfigurationError(f"the file is not TOML: {error}", where=where, hint=hint) from None


# --- line numbers, which tomllib does not provide ---------------------------------------------------

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]''',
    re.DOTALL,
)


@functools.lru_cache(maxsize=8)
def line_numbers(text: str) -> Mapping[Key, int]:
    """Return a mapping from key to line number for a TOML text: for table headers and keys at line starts.

    The result is cached, because the function is called for each value of a file: without the cache, a file
    with 500 services takes 30 s.
    """
    lines: dict[Key, int] = {}
    table: Key = ()
    for start, line in _statements(text):
        if match := _HEADER.match(text, start):
            table = _parts(match[1])
            _add_line(lines, (), table, line)
        elif match := _ASSIGNMENT.match(text, start):
            _add_line(lines, table, _parts(match[1]), line)
    return lines


def _add_line(lines: dict[Key, int], table: Key, parts: Key, line: int) -> None:
    for end in range(1, len(parts) + 1):
        lines.setdefault((*table, *parts[:end]), line)


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offset and the number of every line of a TOML text at which a key or a table can begin."""
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
