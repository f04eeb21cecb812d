"""The error of a failed migration, with file, line and statement."""

from __future__ import annotations

import re
import sysconfig
import textwrap
import traceback
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from infra_runtime.services.postgres_extensions import HINT as EXTENSION_HINT
from pytest_infra.isolation.migrations import ENDS, Migrations

#: the maximum number of lines of a statement in an error message
MAX_LINES = 30
#: names of a driver's local variables that contain the statement. Sources: psycopg, `Connection.execute`;
#: asyncpg, `Connection.execute`. psycopg2 is written in C, so it has no such variables.
_STATEMENT_VARIABLES = ("query", "statement")
#: pattern for an error → the hint for this error; `{0}` is replaced by the group of the pattern, and
#: `{service}` by the service. Sources: PostgreSQL, `src/backend/commands/extension.c`,
#: `src/backend/utils/adt/acl.c`, `src/backend/commands/user.c`
_HINTS = {
    re.compile(r'extension "([^"]+)" is not available'): (
        "This PostgreSQL has no extension {0}; the view pg_available_extensions lists the extensions of the"
        f" server. {EXTENSION_HINT}"
    ),
    re.compile(r'role "([^"]+)" does not exist'): (
        "Create the role in an earlier migration, or write the dump with"
        " `pg_dump --no-owner --no-privileges`."
    ),
    re.compile(r'role "([^"]+)" already exists'): (
        "A role belongs to the whole server, and other migrations may have created it: create it only if"
        " `select from pg_roles where rolname = '{0}'` returns no row."
    ),
    re.compile(r"invalid byte sequence for encoding"): (
        "Convert the file to UTF-8, for example with `iconv -f LATIN1 -t UTF-8`, or name its encoding in its"
        " first line: `\\encoding LATIN1`."
    ),
    re.compile(r'unrecognized configuration parameter "([^"]+)"'): (
        "A pg_dump of a newer version writes parameters that this server does not have: use a server of the"
        " newer version, or write the dump with the pg_dump of this server's version."
    ),
    re.compile(r"invalid command \\(?:un)?restrict"): (
        "This psql is too old for the file. `python -m pip install 'pytest-infra[postgres]'` installs a psql"
        " that can read it."
    ),
}
_OWN_FOLDER = str(Path(__file__).parents[2])


class MigrationError(ConfigurationError):
    """The error that a migration has failed; the migration is not run again in this test run."""

    def __init__(self, message: str, where: str = "", hint: str = "", reported_by: str = "") -> None:
        super().__init__(message, where, hint)
        #: the test whose report contains the complete error, if it is an earlier test
        self.reported_by = reported_by


def migrate(migrations: Migrations, database: Endpoint) -> None:
    """Run migrations on an empty database. Raises `MigrationError` if a migration fails."""
    try:
        migrations.run(database)
    except MigrationError:
        raise
    except (Exception, *ENDS) as error:
        raise of_exception(error, database.name) from error


def failure(
    error: str, service: str, *, where: str = "", statement: str = "", details: str = "", remedy: str = ""
) -> MigrationError:
    """Return the error of a migration.

    `where` is `FILE:LINE`; `details` contains further lines, such as the traceback of a function. `remedy` is
    the hint of the error; without it, the hint depends on the message of the server.
    """
    parts = [error.strip()]
    if statement.strip():
        parts.append(f"Statement:\n{textwrap.indent(_shortened(statement), '    ')}")
    if details.strip():
        parts.append(details.strip("\n"))
    return MigrationError("\n".join(parts), where=where, hint=remedy or hint(error, service))


def hint(error: str, service: str) -> str:
    """Return a hint for a migration that has failed with this error message of the server."""
    for pattern, text in _HINTS.items():
        if match := pattern.search(error):
            return text.format(*match.groups(), service=service)
    return "Correct the migration."


def of_exception(error: BaseException, service: str) -> MigrationError:
    """Return the error of a migration function, with the last line of the user's code and the statement."""
    trace = traceback.walk_tb(error.__traceback__)
    frames = [(frame, line) for frame, line in trace if not _is_own(frame.f_code.co_filename)]
    user_frames = [
        index for index, (frame, _) in enumerate(frames) if not _is_installed(frame.f_code.co_filename)
    ]
    last_user_frame = user_frames[-1] if user_frames else 0
    where = f"{frames[last_user_frame][0].f_code.co_filename}:{frames[last_user_frame][1]}" if frames else ""
    statement = str(getattr(error, "statement", None) or "")
    for frame, _ in frames[last_user_frame + 1 :]:
        for name in _STATEMENT_VARIABLES:
            if not statement and isinstance(value := frame.f_locals.get(name), (str, bytes)):
                statement = value if isinstance(value, str) else value.decode(errors="replace")
    cause = getattr(error, "orig", None) or error
    lines = traceback.StackSummary.extract(iter(frames[: last_user_frame + 1])).format()
    return failure(
        f"{type(cause).__name__}: {cause}",
        service,
        where=where,
        statement=statement,
        details="Traceback (most recent call last):\n" + "".join(lines),
    )


def _is_own(file: str) -> bool:
    return file.startswith(_OWN_FOLDER)


def _is_installed(file: str) -> bool:
    """Return whether a file belongs to an installed package, the standard library, or compiled code."""
    folders = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return not file.endswith(".py") or file.startswith(tuple(folders))


def _shortened(statement: str) -> str:
    lines = textwrap.dedent(statement).strip("\n").splitlines()
    return "\n".join([*lines[:MAX_LINES], "…"] if len(lines) > MAX_LINES else lines)
