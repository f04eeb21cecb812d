"""MongoDB, or mongo-java-server (a part of its functions) if it is missing and `emulation` is true.

pytest-infra has no recipe for MongoDB, because of MongoDB's licence (SSPL). The executable `mongod` must be
on PATH or in the folder in the setting `binary`.

Sources: MongoDB documentation, "mongod", "ping"; mongo-java-server, `README.md`; for the container
docker-library/mongo, `Dockerfile` (the volume /data/db, the program mongosh) and `docker-entrypoint.sh` (the
files in /docker-entrypoint-initdb.d).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.services import mongodb_indexes, mongodb_protocol
from infra_runtime.services.mongodb_indexes import Indexes
from infra_runtime.spec import Container, Exchange, ServiceSpec, StopStep, WriteFile

IMAGE = "mongo:7.0"
#: the file that the start script of the container runs when the data folder is new
_CONTAINER_FILE = "/docker-entrypoint-initdb.d/indexes.js"
EMULATION = Binary(name="mongo-java-server")
#: the features of MongoDB that mongo-java-server (the emulation) lacks, for error messages
LACKING = "transactions, sessions, change streams, users and the removal of expired documents"
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m"

_PORTS = KINDS["mongodb"].ports


class MongoPorts(Ports):
    client: Port = _PORTS["client"]


class MongoSettings(ServiceSettings):
    ports: MongoPorts = MongoPorts()
    #: the server, which depends on the executable: `mongod` is MongoDB, `emulated` is mongo-java-server
    engine: Literal["mongod", "emulated"] = "mongod"
    #: whether mongo-java-server is used if `mongod` is missing
    emulation: bool = False
    #: the size of the cache of MongoDB, in megabytes; it has no effect on the container
    cache: int = Field(256, ge=256, le=10_000_000)
    #: the database in `url`; in tests, each test has its own database
    database: str = Field("test", max_length=63, pattern=r'^[^/\\. "$*<>:|?\x00]+$')
    #: collection → the indexes of this collection in `database`, and in the databases of tests
    indexes: Indexes = Field(default_factory=dict)


#: A server answers the command `ping` without a login. The emulation does not support the command `hello`.
PING = mongodb_protocol.request({"ping": 1, "$db": "admin"}, "the server is not ready")
READY = Exchange(port="client", steps=PING)


def _ready(settings: MongoSettings) -> Exchange:
    """Return the probe, which also creates the indexes, so that a ready service has all indexes."""
    steps = [
        step
        for command in mongodb_indexes.commands(settings.indexes)
        for step in mongodb_protocol.request(
            {**command, "$db": settings.database},
            f"the indexes of the collection {command['createIndexes']} cannot be created",
        )
    ]
    # Creating an index of many documents takes longer than answering `ping`.
    return replace(READY, steps=(*PING, *steps), timeout=settings.start_timeout) if steps else READY


def mongodb(settings: MongoSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of MongoDB or of its emulation, mongo-java-server.

    Raises `ConfigurationError` if only the emulation was found and the setting `emulation` is false.
    """
    emulated = settings.engine == "emulated"
    if emulated and not settings.emulation:
        raise ConfigurationError(
            "mongod is missing, and mongo-java-server, which was found, is for tests only: it lacks "
            f"{LACKING}, and keeps all data in memory",
            hint="Put mongod on PATH, or set `emulation = true` in [services.mongodb] of the stack file.",
        )
    return ServiceSpec(
        name="mongodb",
        command=("${bin.mongod}", "${host}", "${port.client}") if emulated else _mongod(settings),
        env={**({"JDK_JAVA_OPTIONS": _JAVA} if emulated else {}), **settings.env},
        prepare=(
            WriteFile(
                path=f"${{data}}/{mongodb_indexes.FILE}",
                text=json.dumps(mongodb_indexes.commands(settings.indexes)),
            ),
        ),
        ports=settings.port_map(),
        ready=_ready(settings),
        exports={
            "url": f"mongodb://${{host}}:${{port.client}}/{settings.database}",
            "database": settings.database,
            "host": "${host}",
            "port": "${port.client}",
            "engine": f"emulation without {LACKING}" if emulated else "mongod",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(seconds=30.0),),
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=999,
            writable=("/data/configdb",),
            command=("mongod", "--bind_ip_all"),
            env=settings.env,
            files={_CONTAINER_FILE: mongodb_indexes.script(settings.indexes, settings.database)}
            if settings.indexes
            else {},
            data="/data/db",
            ports=dict(_PORTS),
            health=("mongosh", "--quiet", "--eval", "db.hello().ok"),
        ),
    )


def _mongod(settings: MongoSettings) -> tuple[str, ...]:
    return (
        *("${bin.mongod}", "--bind_ip=${host}", "--port=${port.client}", "--dbpath=${data}"),
        *("--nounixsocket", f"--wiredTigerCacheSizeGB={settings.cache / 1024:g}"),
        # By default, MongoDB writes measurements of the machine to the data folder.
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    )


def _facts(executable: Path) -> Mapping[str, str]:
    return {"engine": "emulated" if executable.name == EMULATION.name else "mongod"}


ENTRY = Entry(
    settings=MongoSettings,
    make=mongodb,
    binaries=(Binary(name="mongod", instead=EMULATION),),
    facts=_facts,
    defaults={"test": {"emulation": True}},
)
