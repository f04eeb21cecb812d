"""PgBouncer, a connection pool in front of a PostgreSQL server of the stack.

Sources: PgBouncer documentation, "Config"; for the container edoburu/docker-pgbouncer, `Dockerfile`, and
`entrypoint.sh`, which writes the configuration from environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS, POOLED_KIND
from infra_runtime.spec import Container, PostgresProbe, ServiceSpec, StopStep, WriteFile

IMAGE = "edoburu/pgbouncer:v1.24.1-p1"
#: the name of the virtual database for the administration console
CONSOLE = "pgbouncer"

_PORTS = KINDS["pgbouncer"].ports
_FILE, _USERS = "${data}/pgbouncer.ini", "${data}/users.txt"


class PgbouncerPorts(Ports):
    client: Port = _PORTS["client"]


class PgbouncerSettings(ServiceSettings):
    ports: PgbouncerPorts = PgbouncerPorts()
    #: the PostgreSQL service; the pool connects clients to the databases of this service
    server: str = Field(POOLED_KIND.name, min_length=1)
    #: when the pool can give a connection to another client: after the session, after each transaction, or
    #: after each statement
    pool_mode: Literal["session", "transaction", "statement"] = "session"
    #: further settings of the section `[pgbouncer]`, such as `default_pool_size`
    options: Mapping[str, str] = {}


def pgbouncer(settings: PgbouncerSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a pool; the pool accepts the users and passwords of the server with SCRAM.

    The password of the server's superuser is in a private file. As the superuser, the pool reads the password
    hashes of other users from the server.
    """
    server = {
        name: f"${{{settings.server}.{name}}}" for name in ("host", "port", "user", "password", "database")
    }
    options = {
        "listen_addr": "${host}",
        "listen_port": "${port.client}",
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": _USERS,
        "auth_user": server["user"],
        "admin_users": server["user"],
        "pool_mode": settings.pool_mode,
        # The JDBC driver sends this parameter, which has no effect since PostgreSQL 12.
        "ignore_startup_parameters": "extra_float_digits",
        # The first value: seconds until the next attempt to connect to a restarted server. The second value:
        # seconds until the connections to a deleted database are removed.
        "server_login_retry": "1",
        "autodb_idle_timeout": "60",
        "log_stats": "0",
        **settings.options,
    }
    section = "".join(f"{name} = {value}\n" for name, value in options.items())
    databases = f"* = host={server['host']} port={server['port']}\n"
    return ServiceSpec(
        name="pgbouncer",
        command=("${bin.pgbouncer}", _FILE),
        env=settings.env,
        prepare=(
            WriteFile(path=_USERS, text=f'"{server["user"]}" "{server["password"]}"\n'),
            WriteFile(path=_FILE, text=f"[databases]\n{databases}\n[pgbouncer]\n{section}"),
        ),
        ports=settings.port_map(),
        ready=PostgresProbe(port="client", user=server["user"], database=CONSOLE),
        exports={
            "url": "postgresql://{user}:{password}@${{host}}:${{port.client}}/{database}".format_map(server),
            "host": "${host}",
            "port": "${port.client}",
            "user": server["user"],
            "password": server["password"],
            "database": server["database"],
            "server": settings.server,
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # The pool stores no data. Since version 1.23, a pool that gets SIGTERM waits until all clients are
        # disconnected.
        stop=(StopStep(seconds=2.0, group=False),),
        restart=settings.restart,
        refuses_root=True,
        container=Container(
            image=settings.image or IMAGE,
            uid=70,
            writable=("/etc/pgbouncer",),
            # These values are also in the image. They are repeated here, because the exported file must
            # contain them if a variable contains the path of a password file.
            entrypoint=("/entrypoint.sh",),
            command=("/usr/bin/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"),
            env={
                "DB_HOST": server["host"],
                "DB_PORT": server["port"],
                "DB_USER": server["user"],
                "DB_PASSWORD": server["password"],
                "AUTH_TYPE": "scram-sha-256",
                "POOL_MODE": settings.pool_mode,
                **{name.upper(): value for name, value in settings.options.items()},
                **settings.env,
            },
            ports={"client": 5432},
            health=("pg_isready", "-q", "-h", "127.0.0.1", "-p", "${port.client}"),
        ),
    )


ENTRY = Entry(
    settings=PgbouncerSettings,
    make=pgbouncer,
    binaries=(Binary(name="pgbouncer", folders=("/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin")),),
)
