"""Create the data folder of a MariaDB server, as a program of a separate process.

The program replaces the script `mariadb-install-db`, which finds the files of a server only if the packages
are installed in `/usr`. The program does not create the texts of the statement HELP and the schema `sys`,
because this would take most of the time.

The arguments are SQL statements that run last, the path of the server, and its options. Source: MariaDB
Server, `scripts/mysql_install_db.sh`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: the SQL files in the order in which they are executed; MariaDB 11 has renamed some of the files
FILES = (
    ("mysql_system_tables.sql", "mariadb_system_tables.sql"),
    ("mysql_performance_tables.sql", "mariadb_performance_tables.sql"),
    ("mysql_system_tables_data.sql", "mariadb_system_tables_data.sql"),
    ("maria_add_gis_sp_bootstrap.sql",),
)
#: The folders with the SQL files, relative to a parent folder of the server. The last folder is for a server
#: that `infra bin install` has installed: the path of this server is a script.
FOLDERS = ("share/mysql", "share/mariadb", "share", "root/usr/share/mysql")
#: If this SQL variable is null, the file with the accounts creates the account `root` without a password.
BEGIN = "create database if not exists mysql;\nuse mysql;\nset @auth_root_socket = null;\n"


def files(server: Path) -> list[Path] | None:
    """Return the paths of the SQL files that belong to the server; None if a file is missing."""
    for folder in _folders(server):
        existing = [
            next((folder / name for name in names if (folder / name).is_file()), None) for names in FILES
        ]
        if paths := [path for path in existing if path is not None]:
            return paths if len(paths) == len(FILES) else None
    return None


def _folders(server: Path) -> Iterator[Path]:
    for parent in server.resolve().parents:
        yield from (parent / folder for folder in FOLDERS)


def main(arguments: list[str]) -> int:
    """Create the data folder, and return the exit status of the server; 1 if an SQL file is missing."""
    statements, server, *options = arguments
    paths = files(Path(server))
    if paths is None:
        names = ", ".join(names[0] for names in FILES)
        print(
            f"{server}: the folders of this server do not contain all of the files {names}", file=sys.stderr
        )
        return 1
    for option in options:
        if option.startswith("--datadir="):
            Path(option.partition("=")[2]).mkdir(parents=True)
    script = "".join([BEGIN, *(path.read_text(encoding="utf-8") for path in paths), statements])
    return subprocess.run([server, *options], input=script.encode(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
