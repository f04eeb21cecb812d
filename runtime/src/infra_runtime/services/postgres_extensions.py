"""Create the extensions in the setting `extensions` of PostgreSQL, so that all new databases have them.

PostgreSQL creates each database as a copy of the database `template1`. A server in single-user mode creates
the extensions in `template1` and in the existing database `postgres`, before the server starts.

Sources: PostgreSQL documentation, "postgres" (`--single`), "Template Databases" and "exit_on_error".
"""

from __future__ import annotations

from collections.abc import Sequence

from infra_runtime.spec import Run

#: the file with the names of the extensions that the cluster has, one name in each line
MARKER = "extensions"
#: the hint for a server that does not have an extension
HINT = (
    "To use an installed server that has the extension, set `binary` in the table"
    ' `[services.{service}]` of infra.toml, for example `binary = "/usr/lib/postgresql/17/bin"`;'
    " with `version = 15` or `version = 17`, `infra bin install` installs a server with pgcrypto, uuid-ossp"
    " or postgis."
)
#: The arguments are the path of the marker, the names of the extensions and of the databases, the hint, and
#: the command of the server. If all extensions exist, a shell exits after two milliseconds; a Python program
#: would need thirty. The scripts of some extensions, such as PostGIS, handle errors themselves, so the first
#: attempt runs without `exit_on_error`. If an extension could not be created, the server exits at the second
#: attempt.
_SCRIPT = """
marker=$1 names=$2 databases=$3 hint=$4
shift 4
[ -f "$marker" ] && [ "$(cat "$marker")" = "$names" ] && exit 0
statements() {
  for name in $names; do
    echo "create extension if not exists \\"$name\\" cascade;"
  done
}
for database in $databases; do
  { statements; echo "set exit_on_error = on;"; statements; } |
    "$@" "$database" >/dev/null || { echo "$hint" >&2; exit 1; }
done
echo "$names" >"$marker"
"""
_CONTRIB = """
adminpack amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn
earthdistance file_fdw fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime
old_snapshot pageinspect pg_buffercache pg_freespacemap pg_logicalinspect pg_prewarm
pg_stat_statements pg_surgery pg_trgm pg_visibility pg_walinspect pgcrypto pgrowlocks pgstattuple
plpgsql postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent
uuid-ossp xml2
"""
#: the extensions that are part of PostgreSQL, in one of the supported versions
CONTRIB = frozenset(_CONTRIB.split())
#: The patterns of the file that declares an extension, relative to the folder of the server: for the wheel
#: and packages of Red Hat, for Homebrew and Postgres.app, and for packages of Debian. Source: PostgreSQL
#: documentation, "Packaging Related Objects into an Extension"
FILES = (
    "../share/extension/{feature}.control",
    "../share/postgresql*/extension/{feature}.control",
    "../../../../share/postgresql/{major}/extension/{feature}.control",
)
#: extension → an image on Docker Hub that contains this extension, for an error message
IMAGES = {"vector": "pgvector/pgvector:pg{version}", "postgis": "postgis/postgis:{version}-3.5"}


def creation(
    names: Sequence[str], databases: Sequence[str], *, marker: str, server: Sequence[str], hint: str
) -> Run:
    """Return the step that creates extensions in databases.

    The step has no effect if the file `marker` already contains the names of these extensions.

    `server` is the command of the server in single-user mode, without the name of a database.
    """
    arguments = (marker, "\n".join(names), " ".join(databases), hint)
    return Run(
        command=("/bin/sh", "-c", _SCRIPT, "sh", *arguments, *server),
        env={"LC_ALL": "C"},
    )


def script(names: Sequence[str], databases: Sequence[str]) -> str:
    """Return the text of a script for psql that creates the extensions in the databases."""
    statements = "".join(f'create extension if not exists "{name}" cascade;\n' for name in names)
    return "".join(f"\\connect {database}\n{statements}" for database in databases)
