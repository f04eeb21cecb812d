"""The contents of a template database; the reset of a used database must restore these contents.

A template contains the results of the migrations; the database of a test is a clone (copy) of it. The
contents are read from a new clone.

Sources: PostgreSQL documentation, "System Catalogs" and "COPY"; for the planner's minimum of ten pages,
PostgreSQL, `src/backend/access/table/tableam.c`, `table_block_relation_estimate_size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra_runtime.value import frozen

if TYPE_CHECKING:
    import psycopg

#: the maximum size in bytes of one table, and of all tables, whose rows a process keeps in memory
MAX_TABLE, MAX_TABLES = 1 << 20, 16 << 20
#: the size of a COPY in binary format without rows: its header and its trailer
EMPTY_COPY = 21

#: Returns the number of each file, and the object id of its table or sequence. The file of a table contains
#: rows, long values or an index.
_FILES = """
select pg_relation_filenode(c.oid)::bigint, coalesce(long.oid, i.indrelid, c.oid)::bigint
from pg_class c
left join pg_index i on i.indexrelid = c.oid
left join pg_class long on long.reltoastrelid = coalesce(i.indrelid, c.oid)
where c.oid >= 16384 and pg_relation_filenode(c.oid) is not null
"""
#: The query returns only tables whose rows can be deleted and copied back without another effect. These
#: tables have the storage `heap`, no rules, no triggers that also fire for `session_replication_role =
#: replica`, and no index whose answers depend on earlier rows. The planner assumes at least ten pages for a
#: table without statistics; a larger file, and any growth of a table with statistics, would change the
#: planner's estimates.
_TABLES = """
select c.oid::bigint, format('%I.%I', n.nspname, c.relname), pg_relation_filepath(c.oid),
       pg_relation_size(c.oid), pg_table_size(c.oid),
       case when c.reltuples < 0 and not c.relhassubclass
            then greatest(pg_relation_size(c.oid), 10 * current_setting('block_size')::bigint)
            else pg_relation_size(c.oid) end
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_am a on a.oid = c.relam
where c.oid >= 16384 and c.relkind = 'r' and a.amname = 'heap' and not c.relhasrules
  and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgenabled in ('A', 'R'))
  and not exists (
    select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
    where i.indrelid = c.oid and m.amname not in ('btree', 'hash', 'gin', 'gist', 'spgist', 'brin'))
order by c.oid
"""
_SEQUENCES = """
select c.oid::bigint as oid, format('%I.%I', n.nspname, c.relname) as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid >= 16384 and c.relkind = 'S' order by 1
"""
_SETTLE = f"""
do $$ declare sequence record; begin
  for sequence in {_SEQUENCES} loop
    execute format('select setval(%s::regclass, last_value, is_called) from %s', sequence.oid, sequence.name);
  end loop;
end $$
""".encode()  # noqa: S608 - the query is a constant
#: The WAL does not contain the changes of unlogged relations. A trigger on logins would run in the reset.
_UNSUPPORTED = """
select exists(select from pg_class where relpersistence = 'u' and oid >= 16384)
    or exists(select from pg_event_trigger where evtevent = 'login')
"""


@frozen
class Table:
    """A table of the template, with the rows that a reset restores."""

    #: schema and name, in quotes
    name: str
    #: FOLDERS and FILE of the file's path `FOLDERS/DATABASE/FILE` in the cluster: the folders of the
    #: tablespace, and the number of the file. DATABASE is the number of the database.
    path: tuple[str, str]
    #: the rows in the format of COPY and in the order of the table, without generated columns
    rows: bytes
    #: the rows with all columns, for the comparison after a reset
    all_columns: bytes
    #: the size in bytes up to which the file does not change the planner's estimates
    max_size: int

    @property
    def empty(self) -> bool:
        """Return whether this table has no rows in the template."""
        return len(self.rows) <= EMPTY_COPY

    def size(self, cluster: Path, database: int) -> int:
        """Return the size in bytes of the file with the rows; raise `OSError` if the file is missing."""
        folders, file = self.path
        return (cluster / folders / str(database) / file).stat().st_size


@frozen
class Sequence:
    """A sequence of the template, with the value that a reset restores.

    The `log_cnt` of the sequence is 0, so the first `nextval` writes a record to the write-ahead log (WAL).
    """

    oid: int
    last_value: int
    is_called: bool


@frozen
class Contents:
    """The tables and sequences of the template; a reset can restore their content."""

    #: file number → the object id of its table or sequence
    files: Mapping[int, int]
    tables: Mapping[int, Table]
    sequences: Mapping[int, Sequence]


def read(connection: psycopg.Connection[Any]) -> Contents | None:
    """Read the tables and sequences of a new clone of the template.

    Return None if changes of the clone could not be found in the server's write-ahead log (WAL), or if
    `settle_sequences` has not settled the sequences of the template.
    """
    if connection.execute(_UNSUPPORTED).fetchone() != (False,):
        return None
    sequences: dict[int, Sequence] = {}
    for oid, name in connection.execute(_SEQUENCES).fetchall():
        last_value, is_called, log_cnt = _state(connection, name)
        if log_cnt:  # the template is older than `settle_sequences`
            return None
        sequences[oid] = Sequence(oid=oid, last_value=last_value, is_called=is_called)
    return Contents(
        files=dict(connection.execute(_FILES).fetchall()), tables=_tables(connection), sequences=sequences
    )


def settle_sequences(connection: psycopg.Connection[Any]) -> None:
    """Set each sequence to its own value; as in the reset of a used database, this sets `log_cnt` to 0.

    `nextval` writes one WAL record for 32 values; `log_cnt` is the number of values until the next record.
    """
    connection.execute(_SETTLE)


def _state(connection: psycopg.Connection[Any], name: str) -> tuple[int, bool, int]:
    statement = f"select last_value, is_called, log_cnt from {name}"  # noqa: S608 - it is quoted
    return connection.execute(statement.encode()).fetchone() or (0, False, 1)


def _tables(connection: psycopg.Connection[Any]) -> dict[int, Table]:
    tables: dict[int, Table] = {}
    remaining_bytes = MAX_TABLES
    for oid, name, path, size, with_long_values, max_size in connection.execute(_TABLES).fetchall():
        # Deleted rows stay in the file, so the file contains the rows twice after a reset.
        if size * 2 > max_size or (size and with_long_values > min(MAX_TABLE, remaining_bytes)):
            continue
        rows = copied_out(connection, name) if size else b"\0" * EMPTY_COPY
        remaining_bytes -= len(rows)
        all_columns = copied_out(connection, name, generated=True) if len(rows) > EMPTY_COPY else rows
        folders, _, file = path.rsplit("/", 2)
        tables[oid] = Table(
            name=name, path=(folders, file), rows=rows, all_columns=all_columns, max_size=max_size
        )
    return tables


def copied_out(connection: psycopg.Connection[Any], name: str, *, generated: bool = False) -> bytes:
    """Return the rows of a table in the binary format of COPY. With `generated`, include generated columns.

    `name` is the quoted name of the table.
    """
    source = f"(select * from only {name})" if generated else name  # noqa: S608 - it is quoted
    with connection.cursor().copy(f"copy {source} to stdout (format binary)".encode()) as copy:
        return b"".join(bytes(block) for block in copy)
