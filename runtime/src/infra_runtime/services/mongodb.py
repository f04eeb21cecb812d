"""MongoDB, or in tests mongo-java-server, which has a part of the functions of MongoDB.

The licence of MongoDB (SSPL) does not allow a recipe, so the server is on PATH or in the setting `binary`.

Sources: MongoDB documentation, "mongod", "Wire Protocol", "ping"; mongo-java-server, `README.md`; for the
container docker-library/mongo, `Dockerfile` (the volume /data/db, the program mongosh).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, Exchange, Expect, LengthPrefix, Send, ServiceSpec, StopStep
from infra_runtime.spec.probes import escape

IMAGE = "mongo:7.0"
EMULATION = Binary(name="mongo-java-server")
#: what the emulation lacks, for messages
LACKING = "transactions, sessions, change streams and users"
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m"

_PORTS = KINDS["mongodb"].ports


class MongoPorts(Ports):
    client: Port = _PORTS["client"]


class MongoSettings(ServiceSettings):
    ports: MongoPorts = MongoPorts()
    #: determined by the executable that is found: `mongod` is MongoDB, `emulated` is mongo-java-server
    engine: Literal["mongod", "emulated"] = "mongod"
    #: whether mongo-java-server is used if `mongod` is missing
    emulation: bool = False
    #: the memory for the cache of MongoDB, in megabytes
    cache: int = Field(256, ge=256, le=10_000_000)


def _message(document: bytes) -> bytes:
    """Return a request OP_MSG with one section, a document in BSON."""
    body = struct.pack("<iii", 1, 0, 2013) + struct.pack("<i", 0) + b"\0" + document
    return struct.pack("<i", len(body) + 4) + body


def _document(*elements: bytes) -> bytes:
    content = b"".join(elements) + b"\0"
    return struct.pack("<i", len(content) + 4) + content


#: the command `ping`, which a server answers before a login, with `ok: 1`; the emulation has no `hello`
READY = Exchange(
    port="client",
    steps=(
        Send(text=escape(_message(_document(b"\x10ping\0\1\0\0\0", b"\x02$db\0\6\0\0\0admin\0")))),
        Expect(
            until=LengthPrefix(order="little"),
            at=8,
            prefixes=("\\x01\\0\\0\\0\\xdd\\x07\\0\\0",),
            contains=escape(b"\x01ok\0" + struct.pack("<d", 1)),
        ),
    ),
)


def mongodb(settings: MongoSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of MongoDB or of the emulation.

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
        ports=settings.port_map(),
        ready=READY,
        exports={
            "url": "mongodb://${host}:${port.client}/",
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
            command=("mongod", "--bind_ip_all"),
            env=settings.env,
            data="/data/db",
            ports=dict(_PORTS),
            health=("mongosh", "--quiet", "--eval", "db.hello().ok"),
        ),
    )


def _mongod(settings: MongoSettings) -> tuple[str, ...]:
    return (
        *("${bin.mongod}", "--bind_ip=${host}", "--port=${port.client}", "--dbpath=${data}"),
        *("--unixSocketPrefix=${run}", f"--wiredTigerCacheSizeGB={settings.cache / 1024:g}"),
        # Otherwise it writes measurements of the machine to the data folder.
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
