"""Write the content of a test's database to the failure report as SQL, with `pg_dump`.

Source: PostgreSQL documentation, "pg_dump".
"""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.readable import DumpError
from pytest_infra.isolation.unit import Unit
from pytest_infra.private_files import write
from pytest_infra.services.postgres.database import Database

#: The maximum size (bytes) and duration (seconds) of a dump.
BYTES, SECONDS = 5_000_000, 5.0


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the committed data of a test's database to a file, and return a list with the file.

    `pg_dump` waits at most one second for a locked table. A dump is cut after `BYTES` bytes or some more.
    Raises `DumpError` if `pg_dump` fails or runs for more than `SECONDS` seconds, and `ConfigurationError` if
    `pg_dump` is missing.
    """
    program = unit.executables.get("pg_dump") if isinstance(unit, Database) else ""
    if not program:
        raise ConfigurationError(f"{unit.name}: the folder of the server's executables contains no pg_dump")
    path = folder / f"{unit.id}.sql"
    _dump(unit.get("socket_url", unit.url), program, path)
    return [path]


def _dump(url: str, program: str, path: Path) -> None:
    command = [program, "--no-owner", "--no-privileges", "--lock-wait-timeout=1s", f"--dbname={url}"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    size = 0
    write(path, "")  # `write` creates the file with the mode 0600
    with process, path.open("wb") as file:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
        while size < BYTES and (block := process.stdout.read(65536)):
            size += file.write(block)
        is_cut = size >= BYTES
        if is_cut:
            process.kill()
            file.write(f"\n-- cut after {size} bytes\n".encode())
        output = process.stderr.read().decode(errors="replace").strip()
    timer.cancel()
    if process.returncode != 0 and not is_cut:
        raise DumpError(f"pg_dump: {output or f'the program did not exit within {SECONDS:g} s'}")
