"""memcached, a cache in memory.

Sources: memcached(1); memcached, `doc/protocol.txt`; for the container docker-library/memcached,
`docker-entrypoint.sh`, which passes arguments that begin with `-` on to `memcached`, and the Dockerfile for
Alpine, whose Busybox contains `nc`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Container, Exchange, Expect, Send, ServiceSpec

IMAGE = "memcached:1.6.38-alpine"

_PORTS = KINDS["memcached"].ports


class MemcachedPorts(Ports):
    client: Port = _PORTS["client"]


class MemcachedSettings(ServiceSettings):
    ports: MemcachedPorts = MemcachedPorts()
    #: the memory for items, in megabytes; if the memory is full, the least recently used items are removed
    memory: int = Field(64, ge=1, le=1_000_000)
    #: the size of the largest item, in megabytes, at most half of `memory`; larger items are refused
    max_item: int = Field(1, ge=1, le=1024)
    #: whether the command `flush_all` is allowed, which removes the items of all clients
    flush_all: bool = True
    #: extended options (`-o`), such as `idle_timeout = "60"`; an option without a value has the value `""`
    options: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _two_items_fit(self) -> MemcachedSettings:
        if 2 * self.max_item > self.memory:
            raise ValueError(
                f"`memory` ({self.memory} MB) should be at least twice `max_item` ({self.max_item} MB)"
            )
        return self


#: Source: memcached, `doc/protocol.txt`, "version".
READY = Exchange(port="client", steps=(Send(text="version\r\n"), Expect(prefixes=("VERSION ",))))


def memcached(settings: MemcachedSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a memcached server. It keeps its items only in memory and has no password."""
    options = ",".join(f"{name}={value}" if value else name for name, value in settings.options.items())
    limits = (
        f"--memory-limit={settings.memory}",
        f"--max-item-size={settings.max_item}m",
        *(() if settings.flush_all else ("--disable-flush-all",)),
        *((f"--extended={options}",) if options else ()),
    )
    return ServiceSpec(
        name="memcached",
        command=(
            "${bin.memcached}",
            "--listen=${host}",
            "--port=${port.client}",
            "--udp-port=0",
            # As root, the server requires a user. The option has no effect for another user.
            "--user=root",
            *limits,
        ),
        env=settings.env,
        ports=settings.port_map(),
        ready=READY,
        exports={
            "url": "memcached://${host}:${port.client}",
            "address": "${host}:${port.client}",
            "host": "${host}",
            "port": "${port.client}",
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        restart=settings.restart,
        container=Container(
            image=settings.image or IMAGE,
            uid=11211,
            command=limits,
            env=settings.env,
            ports={"client": 11211},
            health=(
                *("sh", "-c"),
                "printf 'version\\r\\nquit\\r\\n' | nc 127.0.0.1 ${port.client} | grep -q VERSION",
            ),
        ),
    )


ENTRY = Entry(
    settings=MemcachedSettings,
    make=memcached,
    binaries=(Binary(name="memcached", folders=("/opt/homebrew/bin", "/usr/local/bin")),),
    # All tests share the server. Therefore, a test must not remove the items of other tests.
    defaults={"test": {"flush_all": False}},
)
