"""MariaDB, durable in development and fast in tests.

Sources: MariaDB documentation, "Server System Variables", "InnoDB System Variables", "mariadbd Options" and
"mysql.global_priv Table"; for the container MariaDB/mariadb-docker, `docker-entrypoint.sh`, which passes
arguments that begin with `-` on to the server and reads MARIADB_ROOT_PASSWORD_FILE and MARIADB_DATABASE, and
`healthcheck.sh`.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import (
    Container,
    Exchange,
    Expect,
    LengthPrefix,
    Run,
    Secret,
    Seed,
    ServiceSpec,
    StopStep,
    WriteFile,
)

IMAGE = "mariadb:10.11.14"
DATA = "${data}/server"
#: the file with the server's process id; the pytest plugin reads it to detect a restart of the server
PID_FILE = "server.pid"

_PORTS = KINDS["mariadb"].ports


class MariadbPorts(Ports):
    client: Port = _PORTS["client"]


class MariadbSettings(ServiceSettings):
    ports: MariadbPorts = MariadbPorts()
    #: whether data survives a crash of the machine; if false, the server answers before a change is on the
    #: disk
    durable: bool = True
    #: the database in `url`; the database is created at the start if it is missing
    database: str = Field("app", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    #: further system variables of the server, such as `sql_mode`
    options: Mapping[str, str] = {}


#: Source: MariaDB documentation, "Clients & Utilities: Connecting", initial handshake packet (protocol
#: version 10), and "ERR_Packet". The server sends the packet when it has read its init file.
PROTOCOL = Exchange(
    port="client",
    steps=(
        Expect(
            until=LengthPrefix(size=3, order="little", extra=4),
            at=4,
            prefixes=("\\x0a",),
            not_yet={"\\xff": "{answer}"},
        ),
    ),
)
#: Besides the locked account `mariadb.sys`, only `root` remains, for connections from all addresses on which
#: the server listens. It has an invalid password hash, so that nothing can log in to a server whose password
#: was not set.
_ACCOUNTS = """
delete from mysql.global_priv where user = 'root' and host <> 'localhost';
update mysql.global_priv set host = '%', priv =
 json_set(priv, '$.plugin', 'mysql_native_password', '$.authentication_string', 'invalid')
 where user = 'root';
delete from mysql.proxies_priv;
"""
#: Sets the password of `root` if no password has been set before. The statements are not written to a log.
_INIT = """set sql_log_off = 1;
update mysql.global_priv set priv =
 json_set(priv, '$.authentication_string', password('${secret.password}'))
 where user = 'root' and json_value(priv, '$.authentication_string') = 'invalid';
flush privileges;
"""
_NO_SYNC = {"debug-no-sync": "on", "innodb-flush-method": "nosync"}
_CREATION = {
    "datadir": "${out}/server",
    "log-warnings": "0",
    "enforce-storage-engine": "",
    "max-allowed-packet": "8M",
    "net-buffer-length": "16K",
    # With its default size, the redo log would be the largest file of the seed. The server changes the size
    # at the start.
    "innodb-log-file-size": "4M",
    **_NO_SYNC,
}


def mariadb(settings: MariadbSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a MariaDB server; its data folder is a copy of a seed.

    The init file sets the password of the account `root`, before the server accepts connections.
    """
    variables = {
        # The server does not look up the host names of clients, so that no name server delays a connection.
        "skip-name-resolve": "on",
        "character-set-server": "utf8mb4",
        # The value 2 would write a log line for each connection of a probe.
        "log-warnings": "1",
        **({} if settings.durable else _THROW_AWAY),
        **{name.replace("_", "-"): value for name, value in settings.options.items()},
    }
    local = {
        "datadir": DATA,
        "bind-address": "${host}",
        "port": "${port.client}",
        "socket": "${run}/mariadb.sock",
        "pid-file": f"${{data}}/{PID_FILE}",
        "init-file": "${data}/init.sql",
        **variables,
    }
    create = f"create database if not exists `{settings.database}`;\n"
    return ServiceSpec(
        name="mariadb",
        command=("${bin.mariadbd}", "--no-defaults", *_arguments(local)),
        env=settings.env,
        prepare=(
            Seed(into="${data}", steps=(Run(command=_creation()),)),
            Secret(path="${data}/password.secret"),
            WriteFile(path="${data}/init.sql", text=_INIT + create),
        ),
        ports=settings.port_map(),
        ready=PROTOCOL,
        exports={
            "url": f"mysql://root:${{secret.password}}@${{host}}:${{port.client}}/{settings.database}",
            "host": "${host}",
            "port": "${port.client}",
            "user": "root",
            "password": "${secret.password}",
            "database": settings.database,
            "socket": "${run}/mariadb.sock",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # After a SIGKILL, the next start recovers all transactions that were committed.
        stop=(StopStep(seconds=30.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0, group=False),),
        restart=settings.restart,
        refuses_root=True,
        container=Container(
            image=settings.image or IMAGE,
            uid=999,
            writable=("/run/mysqld",),
            command=_arguments(variables),
            env={"MARIADB_DATABASE": settings.database, **settings.env},
            secret_files={"MARIADB_ROOT_PASSWORD_FILE": "password"},
            data="/var/lib/mysql",
            ports={"client": 3306},
            health=("healthcheck.sh", "--connect", "--innodb_initialized"),
        ),
    )


_THROW_AWAY = {
    # A commit still passes its records to the kernel (some microseconds), so that snapshots contain them.
    "innodb-flush-log-at-trx-commit": "2",
    **_NO_SYNC,
    "innodb-log-file-size": "4M",
    # With these sizes, the server needs 55 MB of memory instead of 85 MB.
    "innodb-buffer-pool-size": "16M",
    "innodb-log-buffer-size": "1M",
    "innodb-temp-data-file-path": "ibtmp1:2M:autoextend",
    "aria-pagecache-buffer-size": "1M",
    "key-buffer-size": "64K",
    "table-open-cache": "500",
    # Containers often forbid io_uring, and one thread of each type is enough.
    "innodb-use-native-aio": "off",
    "innodb-read-io-threads": "1",
    "innodb-write-io-threads": "1",
    "innodb-purge-threads": "1",
}


def _creation() -> tuple[str, ...]:
    """Return the command that creates the data folder in a seed."""
    program = ("${bin.python}", "-P", "-m", "infra_runtime.services.mariadb_seed")
    flags = ("--no-defaults", "--bootstrap", "--silent-startup")
    return (*program, _ACCOUNTS, "${bin.mariadbd}", *flags, *_arguments(_CREATION))


def _arguments(options: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"--{name}={value}" for name, value in options.items())


ENTRY = Entry(
    settings=MariadbSettings,
    make=mariadb,
    binaries=(
        Binary(
            name="mariadbd",
            folders=("/usr/sbin", "/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin"),
        ),
    ),
    defaults={"test": {"durable": False}},
    protocols={"mysql": PROTOCOL},
)
