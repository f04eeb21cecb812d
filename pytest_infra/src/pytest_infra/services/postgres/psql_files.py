r"""Find the files that psql reads when it runs a SQL file: after `\i`, `\ir`, `\copy` and `\lo_import`.

Source: PostgreSQL documentation, "psql", sections "Meta-Commands" and "Variables".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

#: a command, and the rest of its line; a command begins a line, or follows a statement on the same line
_COMMAND = re.compile(
    r"^(?:[^\n]*;)?[ \t]*\\(?P<name>ir?|include(?:_relative)?|copy|lo_import|set)[ \t]+"
    r"(?P<rest>[^\s\\][^\n]*)",
    re.MULTILINE,
)
_ARGUMENT = re.compile(r"'(?:[^']|'')*'|[^\s\\]+")
_VARIABLE = re.compile(r":(\w+)")
_COPY = re.compile(r"\bfrom[ \t]+(?P<path>'[^']+'|\S+)", re.IGNORECASE)
_STREAMS = frozenset({"stdin", "pstdin", "program"})
#: the commands whose path is relative to the file that contains the command
_RELATIVE = frozenset({"ir", "include_relative"})


def working_folder(file: Path, root: Path) -> Path:
    """Return the folder to which the paths in a file refer: the folder of the file, or `root`.

    The result is the folder that contains more of the files to which the file refers; if both contain as
    many, the folder of the file.
    """
    return _folder_and_files(file, root)[0]


def files_of(file: Path, root: Path) -> set[Path]:
    """Return a file and the files that psql reads when it runs this file, if they exist."""
    return _folder_and_files(file, root)[1]


def _folder_and_files(file: Path, root: Path) -> tuple[Path, set[Path]]:
    text_of = functools.cache(lambda path: path.read_text(encoding="utf-8", errors="replace"))
    files = {folder: set(_read(file, folder, text_of, {}, ())) for folder in (file.parent, root)}
    working_folder = max(files, key=lambda folder: len(files[folder]))
    return working_folder, files[working_folder]


def _read(
    file: Path,
    folder: Path,
    text_of: Callable[[Path], str],
    variables: dict[str, str],
    including_files: tuple[Path, ...],
) -> Iterator[Path]:
    """Yield a file and the files that its commands read; `folder` is the working folder of psql.

    `including_files` are the files whose commands read this file. The commands are read in the order in which
    psql runs them, because they change `variables`.
    """
    if file in including_files or not file.is_file():
        return
    yield file
    for command in _COMMAND.finditer(text_of(file)):
        name, arguments_text = command["name"], command["rest"]
        if name == "copy":  # psql does not replace variables here
            match = _COPY.search(arguments_text)
            path = folder / _unquoted(match["path"]) if match else folder
            if match and match["path"].lower() not in _STREAMS and path.is_file():
                yield path
            continue
        arguments = [_value(argument, variables) for argument in _ARGUMENT.findall(arguments_text)]
        if name == "set":
            variables[arguments[0]] = "".join(arguments[1:])
        elif name == "lo_import":
            if (path := folder / arguments[0]).is_file():
                yield path
        else:
            base = file.parent if name in _RELATIVE else folder
            yield from _read(base / arguments[0], folder, text_of, variables, (*including_files, file))


def _value(argument: str, variables: dict[str, str]) -> str:
    """Return the value of an argument, in which psql replaces variables outside of quotes."""
    if argument.startswith("'"):
        return _unquoted(argument)
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), argument)


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else text
