"""Migrations in SQL files: psycopg sends a file to the server, or psql runs a file that needs psql."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.migrations import Migrations, contents, key_of
from pytest_infra.services.postgres import psql, psql_files
from pytest_infra.services.postgres.database import Database
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import MigrationError, failure
from pytest_infra.services.postgres.sql_text import Statement, is_for_psql, statements

if TYPE_CHECKING:
    import psycopg

#: errors of statements that cannot run together with others in one transaction. Source: PostgreSQL
#: documentation, "PostgreSQL Error Codes": active_sql_transaction, invalid_transaction_termination,
#: unsafe_new_enum_value_usage
_NEEDS_OWN_TRANSACTION = frozenset({"25001", "2D000", "55P04"})
#: the beginnings of statements that begin or end a transaction
_TRANSACTION = ("begin", "start", "commit", "end", "rollback", "abort", "prepare transaction")


def migrations(path: Path, root: Path, where: str) -> Migrations:
    """Return the migrations of a SQL file, or of all `*.sql` files in a folder and below, sorted by path."""
    files = sorted(path.rglob("*.sql")) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"the folder {path} contains no `*.sql` file", where=where)
    included_files = {
        included_file for file in files for included_file in psql_files.files_of(file, root)
    } - {*files}
    return Migrations(
        run=lambda database: _run(files, root, database),
        key=key_of(contents([*files, *sorted(included_files)])),
    )


def _run(files: Iterable[Path], root: Path, database: Endpoint) -> None:
    """Run the files in their order.

    The files that psycopg sends share a session, so a `SET` in one of them also applies to later ones.
    """
    with driver(database.name).connect(database.url, autocommit=True) as connection:
        for file in files:
            content = file.read_bytes().removeprefix(codecs.BOM_UTF8)
            if is_for_psql(content.decode(errors="replace")):
                executables = database.executables if isinstance(database, Database) else {}
                psql.run(file, root, database, executables.get("psql", ""))
            else:
                _send(connection, file, _decoded(content, file), database)


def _decoded(content: bytes, file: Path) -> str:
    """Return the text of a file.

    Raises:
        MigrationError: the file is not in UTF-8, or contains a null byte.
    """
    invalid_position, text = content.find(b"\0"), ""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        invalid_position = error.start
    if invalid_position >= 0:
        line = content.count(b"\n", 0, invalid_position) + 1
        raise MigrationError(
            f"the file is not in UTF-8: the byte 0x{content[invalid_position]:02x} is invalid",
            where=f"{file}:{line}",
            hint="Convert the file to UTF-8, for example with `iconv -f LATIN1 -t UTF-8`, or name its"
            " encoding in its first line: `\\encoding LATIN1`.",
        )
    return text


def _send(connection: psycopg.Connection[Any], file: Path, text: str, database: Endpoint) -> None:
    """Send a file to the server in one message; a file without BEGIN and COMMIT is one transaction.

    A file with a statement that needs its own transaction is sent again, one statement after the other.
    """
    completed, error = _execute(connection, text)
    if error is None:
        return
    parsed = list(statements(text))
    if error.sqlstate not in _NEEDS_OWN_TRANSACTION or any(map(_begins_or_ends_transaction, parsed)):
        raise _error(error, file, Statement(text=text, offset=0, line=1), parsed[completed:], database)
    # The server has undone all statements of the message.
    for statement in parsed:
        _, error = _execute(connection, statement.text)
        if error is not None:
            raise _error(error, file, statement, [statement], database)


def _execute(connection: psycopg.Connection[Any], text: str) -> tuple[int, psycopg.Error | None]:
    """Send statements in one message; return the number of completed statements, and the error or None.

    `Connection.execute` would not return the number.
    """
    from psycopg import errors, generators
    from psycopg.pq import ExecStatus

    connection.pgconn.send_query(text.encode())
    results = connection.wait(generators.execute(connection.pgconn))
    last_result = results[-1]
    if last_result.status in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY}:
        return len(results), None
    return len(results) - 1, errors.error_from_result(last_result)


def _begins_or_ends_transaction(statement: Statement) -> bool:
    return statement.text.lower().startswith(_TRANSACTION)


def _error(
    error: psycopg.Error, file: Path, sent: Statement, not_completed: Sequence[Statement], database: Endpoint
) -> MigrationError:
    """Return the error of a text that the server has rejected.

    `sent` is the text that was sent, and `not_completed` are the statements of the text that were not
    completed. The first of these statements has failed, unless the error contains a position in the text,
    such as an error of the syntax.
    """
    failed, line = (not_completed[0], not_completed[0].line) if not_completed else (sent, sent.line)
    if error.diag.statement_position:
        position = int(error.diag.statement_position) - 1
        line = sent.line + sent.text.count("\n", 0, position)
        candidates = [statement for statement in not_completed if statement.offset - sent.offset <= position]
        failed = candidates[-1] if candidates else failed
    diagnosis = {
        "DETAIL": error.diag.message_detail,
        "HINT": error.diag.message_hint,
        "CONTEXT": error.diag.context,
    }
    return failure(
        error.diag.message_primary or str(error),
        database.name,
        where=f"{file}:{line}",
        statement=failed.text,
        details="\n".join(f"{name}: {text}" for name, text in diagnosis.items() if text),
    )
