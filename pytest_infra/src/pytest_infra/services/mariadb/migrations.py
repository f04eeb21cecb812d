"""Read the migrations of a database: SQL files, functions, or a list of them.

Each new database runs the migrations, because MariaDB cannot clone a database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation import migrations
from pytest_infra.isolation.migrations import Migrations, Source, contents, imported, key_of
from pytest_infra.services.mariadb.driver import connect, driver

#: matches the command `DELIMITER` of the client `mariadb`, which changes the end of statements; the files of
#: mysqldump contain this command
_DELIMITER = re.compile(r"^[ \t]*delimiter[ \t]+(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def read(source: Source, root: Path, where: str) -> Migrations:
    """Return the migrations that the value of a fixture or an ini value describes.

    `where` is the name of the fixture or ini value, for error messages.

    Raises:
        ConfigurationError: the value does not describe migrations.
    """
    return migrations.read(source, where, lambda text, name: _read(text, root, name))


def _read(text: str, root: Path, where: str) -> Migrations:
    """Return the migrations for a path, or for `MODULE:FUNCTION`."""
    path = root / Path(text).expanduser()
    if path.is_dir() or (path.suffix == ".sql" and path.is_file()):
        files = sorted(path.rglob("*.sql")) if path.is_dir() else [path]
        if not files:
            raise ConfigurationError(f"the folder {path} contains no `*.sql` file", where=where)
        return Migrations(run=lambda database: _run(files, database), key=key_of(contents(files)))
    if ":" in text:
        return imported(text, where)
    raise ConfigurationError(
        f"{text!r} is neither a SQL file nor a folder of SQL files nor MODULE:FUNCTION",
        where=where,
        hint="A relative path refers to the root directory of pytest.",
    )


def _run(files: Sequence[Path], database: Endpoint) -> None:
    """Run the files in one session, in which a `USE` or `SET` also applies to later files."""
    library = driver(database.name)
    options = {"database": database["database"], "client_flag": library.constants.CLIENT.MULTI_STATEMENTS}
    with connect(database, **options) as connection, connection.cursor() as cursor:
        for file in files:
            text = file.read_text(encoding="utf-8-sig")
            for part, line in parts(text):
                completed_count = 0
                try:
                    cursor.execute(part)
                    completed_count = 1
                    while cursor.nextset():
                        completed_count += 1
                except library.Error as error:
                    raise ConfigurationError(
                        f"{error.args[-1]} (error {error.args[0]}); the failed statement is statement "
                        f"{completed_count + 1}, counted from line {line}",
                        where=f"{file}:{line}",
                        hint="Correct the migration.",
                    ) from error


def parts(text: str) -> Iterator[tuple[str, int]]:
    """Yield the texts that are sent to the server one after the other, each with its first line number.

    While the delimiter of statements is `;`, a text contains several statements. The command DELIMITER, which
    the server does not support, selects another delimiter; each text is then one statement.
    """
    delimiter, begin = ";", 0
    for match in [*_DELIMITER.finditer(text), None]:
        end = match.start() if match else len(text)
        for part, offset in _separated(text[begin:end], delimiter):
            yield part, text.count("\n", 0, begin + offset) + 1
        if match:
            delimiter, begin = match[1], match.end()


def _separated(text: str, delimiter: str) -> Iterator[tuple[str, int]]:
    offset = 0
    for part in [text] if delimiter == ";" else text.split(delimiter):
        if stripped := part.strip():
            yield stripped, offset + part.index(stripped)
        offset += len(part) + len(delimiter)
