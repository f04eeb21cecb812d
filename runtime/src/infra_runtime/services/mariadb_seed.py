"""Create the data folder of a MariaDB server, as a program of a separate process.

The program does what the script `mariadb-install-db` does; the script does not find the files of a server
whose packages are unpacked in another folder than `/usr`. It does not create the texts of the statement HELP
and the schema `sys`, which would take most of the time.

The arguments are SQL statements that run last, the path of the server, and its options. Source: MariaDB
Server, `scripts/mysql_install_db.sh`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: the SQL files in their order; MariaDB 11 has renamed some of them
FILES = (
    ("mysql_system_tables.sql", "mariadb_system_tables.sql"),
    ("mysql_performance_tables.sql", "mariadb_performance_tables.sql"),
    ("mysql_system_tables_data.sql", "mariadb_system_tables_data.sql"),
    ("maria_add_gis_sp_bootstrap.sql",),
)
#: the folders with the files, relative to a parent folder of the server; the last one is for a server that
#: `infra bin install` has installed, whose path is that of a script
FOLDERS = ("share/mysql", "share/mariadb", "share", "root/usr/share/mysql")
#: With the variable, the file with the accounts creates the account `root` without a password.
BEGIN = "create database if not exists mysql;\nuse mysql;\nset @auth_root_socket = null;\n"


def files(server: Path) -> list[Path] | None:
    """Return the SQL files of a server's installation; None if they are missing."""
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
    """Create the data folder, and return the exit status of the server."""
    statements, server, *options = arguments
    paths = files(Path(server))
    if paths is None:
        names = ", ".join(names[0] for names in FILES)
        print(f"{server}: the installation lacks some of the files {names}", file=sys.stderr)
        return 1
    for option in options:
        if option.startswith("--datadir="):
            Path(option.partition("=")[2]).mkdir(parents=True)
    script = "".join([BEGIN, *(path.read_text(encoding="utf-8") for path in paths), statements])
    return subprocess.run([server, *options], input=script.encode(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
